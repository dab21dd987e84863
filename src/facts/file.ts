import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

export interface FileFact {
  readonly type: "file" | "directory" | "link" | "other";
  /** Octal, four digits: "0644". */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  /** bytes */
  readonly size: number;
  /** Regular files: lower-case hex. */
  readonly sha256?: string;
}

const typeOf: Readonly<Record<string, FileFact["type"]>> = {
  "8": "file",
  "4": "directory",
  a: "link",
};

/** Paths (no newline in them): type, mode, owner, content hash. stat(1) %f is the raw mode in hex, see inode(7). */
export const fileFacts: FactSource<FileFact> = {
  name: "file",
  script: (paths) => sh`stat -c ${"%f %U %G %s %n"} -- ${paths}
sha256sum -- ${paths}`,
  parse(stdout) {
    const found = new Map<string, FileFact>();
    for (const line of stdout.split("\n")) {
      const stat = /^([0-9a-f]+) (\S+) (\S+) (\d+) (.+)$/.exec(line);
      const hash = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
      if (hash !== null) {
        const [, sha256, path] = hash as unknown as [string, string, string];
        const fact = found.get(path);
        if (fact !== undefined) found.set(path, { ...fact, sha256 });
      } else if (stat !== null) {
        const [, raw, owner, group, size, path] = stat as unknown as [
          string,
          string,
          string,
          string,
          string,
          string,
        ];
        const bits = Number.parseInt(raw, 16);
        found.set(path, {
          type: typeOf[(bits >> 12).toString(16)] ?? "other",
          mode: (bits & 0o7777).toString(8).padStart(4, "0"),
          owner,
          group,
          size: Number(size),
        });
      }
    }
    return found;
  },
};

/** Directories with something in them: true. */
export const contentFacts: FactSource<true> = {
  name: "content",
  script: (paths) => sh`find ${paths} -maxdepth 0 -type d ! -empty`,
  parse: (stdout) =>
    new Map(stdout.split("\n").flatMap((path) => (path === "" ? [] : [[path, true as const]]))),
};

export interface SecretFileFact {
  /** The host's comparison key; never leaves memory. */
  readonly key: string;
  /** SHA-256 of key + content, hex. */
  readonly hash: string;
}

/** Where the comparison key lives: 64 hex digits, no newline, 0600 (made by the first run). */
export const secretKeyPath = "/var/lib/hostkit/secret.key";

/** Files whose content is secret: compared by a keyed hash, so that a plain hash never leaves the host. */
export const secretFileFacts: FactSource<SecretFileFact> = {
  name: "secret-file",
  script: (paths) => sh`[ -s ${secretKeyPath} ] || exit 0
echo "key $(cat ${secretKeyPath})"
for f in ${paths}; do [ -f "$f" ] && echo "$(cat ${secretKeyPath} "$f" | sha256sum | cut -c1-64) $f"; done`,
  parse(stdout) {
    const key = /^key (\S+)$/m.exec(stdout)?.[1];
    const found = new Map<string, SecretFileFact>();
    if (key === undefined) return found;
    for (const match of stdout.matchAll(/^([0-9a-f]{64}) (.+)$/gm)) {
      found.set(match[2] as string, { key, hash: match[1] as string });
    }
    return found;
  },
};

/** Small text files read whole (stamps, the state file). Subjects are paths; binary content is not for this. */
export const textFacts: FactSource<string> = {
  name: "text",
  script: (paths) =>
    sh`for f in ${paths}; do [ -f "$f" ] && printf ${"%s %s\\n"} "$(base64 -w0 <"$f")" "$f"; done`,
  parse(stdout) {
    const found = new Map<string, string>();
    for (const match of stdout.matchAll(/^([A-Za-z0-9+/=]*) (\/.+)$/gm)) {
      const bytes = Uint8Array.from(atob(match[1] as string), (character) =>
        character.charCodeAt(0),
      );
      found.set(match[2] as string, new TextDecoder().decode(bytes));
    }
    return found;
  },
};
