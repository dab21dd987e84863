import { joinScripts, sh } from "../../shell/script.ts";
import type { FactGroup, FactSource } from "../fact.ts";
import { hashText } from "./hash.ts";
import { entryFormat, findPlanted, listFolders, readEntry } from "./planted.ts";
import { hashSecrets } from "./secret-hashes.ts";

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

/**
 * awk(1): reads a list of texts (`HASH PATH`, or `? PATH` where nothing is expected of it), an empty line, and sha256sum's answer. Prints
 * that answer, then what is not as expected: `=PATH`, and its text with a `+` before each line, the last one too, be it empty.
 * Another record separator takes in a text whole; sha256sum(1) writes names with a backslash in another way.
 */
const textProgram = String.raw`!answers {
  at = index($0, " ")
  if (at) expected[substr($0, at + 1)] = substr($0, 1, at - 1); else answers = 1
  next
}
{
  print
  line = $0
  if (sub(/^\\/, "", line)) gsub(/\\\\/, "\\", line)
  path = substr(line, 67)
  if ((path in expected) && expected[path] != substr(line, 1, 64)) differing[++count] = path
}
END {
  RS = "\034"
  for (i = 1; i <= count; i++) {
    print "=" differing[i]
    text = separator = ""
    while ((getline part <differing[i]) > 0) { text = text separator part; separator = RS }
    close(differing[i])
    lines = split(text, line_of, "\n")
    for (j = 1; j <= lines; j++) print "+" line_of[j]
  }
}`;

/**
 * What `file`, `text` and `secret-file` need, together: a line of stat(1) for each file and for the folders of texts, one of sha256sum for
 * each regular file, and the texts that nobody could guess. A text that is what was guessed is not sent. For secrets see `hashSecrets`.
 * sha256sum gets regular files only: not every one of them goes on behind a name that is not there, and a pipe would hold it up for ever.
 */
export const fileGroup: FactGroup = {
  name: "file",
  script(subjects, guesses) {
    const files = subjects.get("file") ?? [];
    const texts = subjects.get("text") ?? [];
    const guessOf = guesses.get("text") ?? new Map<string, string>();
    const list = texts.map((path) => {
      const guess = guessOf.get(path);
      return `${guess === undefined ? "?" : hashText(guess)} ${path}`;
    });
    const known = new Set(files);
    const others = texts.filter((path) => !known.has(path));
    const secrets = hashSecrets(subjects.get("secret-file") ?? []);
    const folders = [...new Set(texts.flatMap(listFolders))].filter((path) => !known.has(path));
    const hash = sh`sha256sum -- "$@" ${secrets.words}`;
    return joinScripts([
      sh`set -- ${files}
stat -c ${entryFormat} -- "$@" ${folders.sort()}
there=
for f in "$@" ${others}; do [ ! -f "$f" ] || there="$there$f
"; done
set -f; IFS=${"\n"}
set -- $there
set +f; unset IFS`,
      secrets.before,
      texts.length === 0
        ? sh`${hash}${secrets.texts}`
        : sh`{ printf ${"%s\\n"} ${list} ""; ${hash}${secrets.texts}
} | awk ${textProgram}`,
    ]);
  },
};

interface FileReply {
  readonly files: ReadonlyMap<string, Omit<FileFact, "sha256">>;
  /** Regular files: SHA-256. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly texts: ReadonlyMap<string, string>;
}

function parseFiles(stdout: string): FileReply {
  const files = new Map<string, FileFact>();
  const hashes = new Map<string, string>();
  const texts = new Map<string, string[]>();
  let text: string[] | undefined;
  for (const line of stdout.split("\n")) {
    if (line.startsWith("=")) {
      texts.set(line.slice(1), (text = []));
    } else if (line.startsWith("+")) {
      text?.push(line.slice(1));
    } else {
      const [, escape, hash, named] = /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      if (hash !== undefined && named !== undefined)
        hashes.set(escape === "" ? named : named.replaceAll("\\\\", "\\"), hash);
      const entry = readEntry(line);
      if (entry === undefined) continue;
      const { path, ...fact } = entry;
      files.set(path, fact);
    }
  }
  const joined = [...texts].map(([path, lines]) => [path, lines.join("\n")] as const);
  return { files, hashes, texts: new Map(joined) };
}

/** Paths (no newline in them): type, mode, owner, content hash. */
export const fileFacts: FactSource<FileFact> = {
  name: "file",
  group: fileGroup,
  parse(stdout, paths) {
    const { files, hashes } = parseFiles(stdout);
    const found = new Map<string, FileFact>();
    for (const path of paths) {
      const file = files.get(path);
      const sha256 = hashes.get(path);
      if (file !== undefined)
        found.set(path, { ...file, ...(sha256 === undefined ? {} : { sha256 }) });
    }
    return found;
  },
};

/** Small text files (no newline in their paths) read whole: stamps, the state file, configuration. Binary content is not for this. */
export const textFacts: FactSource<string> = {
  name: "text",
  group: fileGroup,
  parse(stdout, paths, guesses) {
    const { files, hashes, texts } = parseFiles(stdout);
    const found = new Map<string, string>();
    for (const path of paths) {
      // Somebody else's link: what it leads to is none of the plan's business.
      if (findPlanted(`${path}/`, files) !== undefined) continue;
      const guess = guesses.get(path);
      const isGuess = guess !== undefined && hashes.get(path) === hashText(guess);
      const text = isGuess ? guess : texts.get(path);
      if (text !== undefined) found.set(path, text);
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
