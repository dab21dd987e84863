import { joinScripts, rawScript, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { FactSource, Guesses } from "./fact.ts";
import { hashText } from "./hash.ts";

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
  script: (paths) => sh`set -- ${paths}
stat -c ${"%f %U %G %s %n"} -- "$@"
sha256sum -- "$@"`,
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
  /** SHA-256 of key, content, and a newline, hex; see `hashSecret`. */
  readonly hash: string;
}

/** Where the comparison key lives: 64 hex digits, no newline, 0600 (made by the first run). */
export const secretKeyPath = "/var/lib/hostkit/secret.key";

/** Descriptors that a shell and what surrounds it in the probe leave alone. */
const descriptors = [4, 5, 6, 7, 8, 9];

/**
 * Files whose content is secret: compared by a keyed hash, so that a plain hash never leaves the host. The shell itself reads them
 * (it leaves NUL bytes out: whoever compares looks at the size, too), and one `sha256sum` hashes several at once.
 * Prints `key KEY`, then for each few files `as DESCRIPTOR PATH` lines and the hashes by descriptor.
 */
export const secretFileFacts: FactSource<SecretFileFact> = {
  name: "secret-file",
  script(paths) {
    const batches = paths.flatMap((_, at) =>
      at % descriptors.length === 0 ? [paths.slice(at, at + descriptors.length)] : [],
    );
    return joinScripts([
      sh`[ -s ${secretKeyPath} ] || exit 0
read -r key <${secretKeyPath}
echo "key $key"
take() {
  text=
  [ -f "$2" ] || return
  echo "as $1 $2"
  while IFS= read -r line; do text="$text$line
"; done <"$2"
  text=$text$line
}`,
      ...batches.flatMap((batch) => [
        sh`echo forget`,
        ...batch.map(
          (path, at) => sh`take ${descriptors[at] ?? 0} ${path}; t${descriptors[at] ?? 0}=$text`,
        ),
        hashTexts(descriptors.slice(0, batch.length)),
      ]),
    ]);
  },
  parse(stdout) {
    const found = new Map<string, SecretFileFact>();
    const paths = new Map<string, string>();
    let key: string | undefined;
    for (const line of stdout.split("\n")) {
      key ??= /^key (\S+)$/.exec(line)?.[1];
      if (line === "forget") paths.clear();
      const [, descriptor, path] = /^as (\d) (.+)$/.exec(line) ?? [];
      if (descriptor !== undefined && path !== undefined) paths.set(descriptor, path);
      const [, hash, hashed] = /^([0-9a-f]{64}) [ *]\/dev\/fd\/(\d)$/.exec(line) ?? [];
      const from = paths.get(hashed ?? "");
      if (hash !== undefined && from !== undefined && key !== undefined)
        found.set(from, { key, hash });
    }
    return found;
  },
};

/** A here-document for each: the shell keeps what is short in a pipe, and starts no program for it. */
function hashTexts(numbers: readonly number[]): Script {
  const files = numbers.map((n) => `/dev/fd/${n} ${n}<<E${n}`).join(" ");
  const texts = numbers.map((n) => `$key$t${n}\nE${n}`).join("\n");
  return rawScript(`sha256sum ${files}\n${texts}`);
}

/**
 * Small text files read whole (stamps, the state file). Subjects are paths; binary content is not for this.
 * A text that is what was guessed is not sent: one `sha256sum` looks at all of those, and names the others.
 * Prints `checked` when it could, `differs PATH` lines, then `0 PATH` (no newline at its end) or `1 PATH` and the line of what has
 * only one, which the shell itself reads; then `more` and the longer ones together.
 */
export const textFacts: FactSource<string> = {
  name: "text",
  script(paths, guesses) {
    const guessed = paths.filter((path) => isGuessed(path, guesses));
    const others = paths.filter((path) => !isGuessed(path, guesses));
    const lines = guessed.map((path) => `${hashText(guesses.get(path) ?? "")}  ${path}`);
    return joinScripts([
      sh`set -- ${others}`,
      // 1: some differ or are not there.
      lines.length === 0
        ? sh``
        : sh`differing=$(printf ${"%s\n"} ${lines} | sha256sum -c --quiet)
if [ $? -le 1 ]; then
  echo checked
  set -f
  IFS=${"\n"}
  for line in $differing; do
    echo "differs \${line%: FAILED*}"
    set -- "$@" "\${line%: FAILED*}"
  done
  unset IFS
  set +f
else set -- "$@" ${guessed}
fi`,
      sh`count=$#
while [ "$count" -gt 0 ]; do
  count=$((count - 1)) f=$1
  shift
  [ -f "$f" ] || continue
  line=
  { if IFS= read -r line; then end=1; else end=0; fi; IFS= read -r more; } <"$f"
  if [ $? -ne 0 ] && [ -z "$more" ]; then printf ${"%s %s\n%s\n"} $end "$f" "$line"
  else set -- "$@" "$f"; fi
done
if [ $# -gt 0 ]; then
  echo more
  wc -c -- "$@"
  awk ${'FNR == 1 { print "=" FILENAME } { print "+" $0 }'} "$@"
fi`,
    ]);
  },
  parse(stdout, paths, guesses) {
    const found = new Map<string, string>();
    const lines = stdout.split("\n");
    let index = 0;
    if (lines[0] === "checked") {
      for (const path of paths) {
        const guess = isGuessed(path, guesses) ? guesses.get(path) : undefined;
        if (guess !== undefined) found.set(path, guess);
      }
      for (index = 1; lines[index]?.startsWith("differs ") === true; index++)
        found.delete(lines[index]?.slice("differs ".length) ?? "");
    }
    for (; index < lines.length; index++) {
      if (lines[index] === "more") {
        for (const [path, text] of readMore(lines.slice(index + 1))) found.set(path, text);
        break;
      }
      const [, end, path] = /^([01]) (\/.*)$/.exec(lines[index] ?? "") ?? [];
      if (path === undefined) continue;
      const line = lines[++index] ?? "";
      found.set(path, end === "1" ? `${line}\n` : line);
    }
    return found;
  },
};

/** `SIZE PATH` lines, then `=PATH` and `+LINE` lines; the sizes (in bytes) tell whether the last line is ended. */
function readMore(lines: readonly string[]): Map<string, string> {
  const sizes = new Map<string, number>();
  const texts = new Map<string, string[]>();
  let text: string[] | undefined;
  for (const line of lines) {
    const [, size, path] = /^ *(\d+) (\/.*)$/.exec(line) ?? [];
    if (line.startsWith("=")) texts.set(line.slice(1), (text = []));
    else if (line.startsWith("+")) text?.push(line.slice(1));
    else if (size !== undefined && path !== undefined) sizes.set(path, Number(size));
  }
  return new Map(
    [...texts].map(([path, of]) => {
      const joined = of.join("\n");
      const isUnended = new TextEncoder().encode(joined).length === sizes.get(path);
      return [path, isUnended ? joined : `${joined}\n`];
    }),
  );
}

/** sha256sum(1) writes names with a backslash or a newline in another way. */
function isGuessed(path: string, guesses: Guesses): boolean {
  return guesses.has(path) && !/[\\\n\r]/.test(path);
}
