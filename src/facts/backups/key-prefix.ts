import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** What stands before the password in a key file of pgBackRest, by path. Never asked of a file that is the bare password. */
export const keyPrefixFacts: FactSource<string> = {
  name: "key-prefix",
  script: (paths) => sh`for path in ${paths}; do
  [ -f "$path" ] && [ ! -L "$path" ] || continue
  echo "file $path"
  sed -n ${"s/^\\([^=]*=\\).*/key \\1/p; s/^\\[.*/key &/p"} "$path"
done`,
  parse: (stdout) =>
    new Map(
      stdout
        .split(/^file /m)
        .slice(1)
        .map((part) => {
          const [path = "", ...lines] = part.split("\n");
          const keys = lines.flatMap((line) => (line.startsWith("key ") ? [line.slice(4)] : []));
          return [path, keys.join("\n")] as const;
        }),
    ),
};
