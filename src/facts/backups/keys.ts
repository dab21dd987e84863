import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** The record of the keys that were copied off a host: a line for each, `SHA256 EPOCH TO…`. */
export function keyRecordOf(stack: string): string {
  return `/var/lib/hostkit/${stack}/backups/keys`;
}

/** Key files by `keySubject`: whether a copy of what is in it was made. Absent where there is no such file. */
export const exportedKeyFacts: FactSource<boolean> = {
  name: "backup-key",
  script: (subjects) => sh`for subject in ${subjects}; do
  stack=\${subject%% *} path=\${subject#* }
  [ -f "$path" ] && [ ! -L "$path" ] || continue
  sum=$(sha256sum <"$path")
  if grep -q "^\${sum%% *} " /var/lib/hostkit/"$stack"/backups/keys; then echo "yes $subject"; else echo "no $subject"; fi
done`,
  parse: (stdout) =>
    new Map(
      [...stdout.matchAll(/^(yes|no) (\S+ \/\S+)$/gm)].map(([, word, subject = ""]) => [
        subject,
        word === "yes",
      ]),
    ),
};

/** The subject of `exportedKeyFacts`. */
export function keySubject(stack: string, path: string): string {
  return `${stack} ${path}`;
}
