import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import { secretKeyPath } from "./secret-hashes.ts";

/** The variables of an environment file, without their values. */
export interface VariablesFact {
  /** The host's comparison key; never leaves memory. */
  readonly key: string;
  /** By name: SHA-256 of the key, a newline and the variable's lines as they stand in the file; see `hashVariable`. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** Environment files by path. Only asked for those that are about to change: it starts a program for each variable. */
export const variableFacts: FactSource<VariablesFact> = {
  name: "variables",
  script: (paths) => sh`[ -s ${secretKeyPath} ] || exit 0
read -r key <${secretKeyPath} || [ -n "$key" ]
echo "key $key"
tell() {
  [ -z "$name" ] || echo "$name $(printf ${"%s\\n%s"} "$key" "$text" | sha256sum | cut -c 1-64)"
}
for f in ${paths}; do
  [ -f "$f" ] || continue
  echo "file $f"
  name= text=
  while IFS= read -r line || [ -n "$line" ]; do
    first=\${line%%=*}
    case $line in [A-Za-z_]*=*) case $first in *[!A-Za-z0-9_.-]*) first= ;; esac ;; *) first= ;; esac
    if [ -n "$first" ]; then tell; name=$first text=$line
    else text="$text
$line"; fi
  done <"$f"
  tell
done`,
  parse(stdout) {
    const key = /^key (\S+)$/m.exec(stdout)?.[1];
    const found = new Map<string, VariablesFact>();
    if (key === undefined) return found;
    for (const part of stdout.split(/^file /m).slice(1)) {
      const [path = "", ...lines] = part.split("\n");
      const hashes = Object.fromEntries(
        lines.flatMap((line) => {
          const [, name, hash] = /^([A-Za-z_][\w.-]*) ([0-9a-f]{64})$/.exec(line) ?? [];
          return name === undefined || hash === undefined ? [] : [[name, hash]];
        }),
      );
      found.set(path, { key, hashes });
    }
    return found;
  },
};
