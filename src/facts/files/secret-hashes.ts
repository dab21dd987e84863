import { joinScripts, rawScript, type Script, sh } from "../../shell/script.ts";

/** Where the comparison key lives: 64 hex digits, no newline, 0600 (made by the first run). */
export const secretKeyPath = "/var/lib/hostkit/secret.key";

/** Descriptors that a shell and what surrounds it in the probe leave alone. */
const descriptors = [4, 5, 6, 7, 8, 9];

/** Parts of a script that hashes secrets beside other files. */
export interface SecretHashes {
  /** Reads them: prints `key KEY`, `as DESCRIPTOR PATH` for each, and hashes those that are too many for one program. */
  readonly before: Script;
  /** What a sha256sum(1) is to hash besides: `/dev/fd/4`. */
  readonly words: readonly string[];
  /** Ends the line of that sha256sum: a here-document for each, which the shell keeps in a pipe where it is short. */
  readonly texts: Script;
}

/**
 * Files whose content is secret are compared by a keyed hash, so that a plain hash never leaves the host. The shell itself reads them
 * (it leaves NUL bytes out: whoever compares looks at the size, too), and one `sha256sum` hashes several at once.
 */
export function hashSecrets(paths: readonly string[]): SecretHashes {
  if (paths.length === 0) return { before: sh``, words: [], texts: sh`` };
  const batches = paths.flatMap((_, at) =>
    at % descriptors.length === 0 ? [paths.slice(at, at + descriptors.length)] : [],
  );
  const last = descriptors.slice(0, batches.at(-1)?.length);
  return {
    before: joinScripts([
      sh`key=
[ ! -s ${secretKeyPath} ] || { read -r key <${secretKeyPath}; echo "key $key"; }
take() {
  text=
  [ -n "$key" ] && [ -f "$2" ] || return
  echo "as $1 $2"
  while IFS= read -r line; do text="$text$line
"; done <"$2"
  text=$text$line
}`,
      ...batches.flatMap((batch, at) => [
        sh`echo forget`,
        ...batch.map(
          (path, index) =>
            sh`take ${descriptors[index] ?? 0} ${path}; t${descriptors[index] ?? 0}=$text`,
        ),
        at === batches.length - 1
          ? sh``
          : sh`sha256sum ${wordsFor(descriptors)}${hereDocuments(descriptors)}`,
      ]),
    ]),
    words: wordsFor(last),
    texts: hereDocuments(last),
  };
}

function wordsFor(numbers: readonly number[]): readonly string[] {
  return numbers.map((n) => `/dev/fd/${n}`);
}

function hereDocuments(numbers: readonly number[]): Script {
  const begins = numbers.map((n) => ` ${n}<<E${n}`).join("");
  return rawScript(`${begins}${numbers.map((n) => `\n$key$t${n}\nE${n}`).join("")}`);
}
