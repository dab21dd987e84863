import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { backupPlaces } from "./jobs.ts";
import type { BackupJob } from "./jobs.ts";

/**
 * Tries what has to work with the keys of the repositories, and puts those back that were there before where it does not: a secret that
 * was changed by mistake would stop the archive and take away the only copy of what opens it.
 * @param attempt says by its status whether it worked; may end its shell, and knows no `set -e`
 */
export function tryNewKeys(
  stack: string,
  tool: BackupJob["tool"],
  repositories: readonly string[],
  attempt: Script,
): Script {
  const places = backupPlaces(stack);
  const formers = repositories.map((name) => places.formerKey(name, tool));
  return joinScripts([
    sh`if (`,
    attempt,
    sh`); then rm -f ${formers}; else`,
    ...repositories.map((name, index) => {
      const [former = "", path] = [formers[index], places.passphrase(name, tool)];
      return sh`if [ -e ${former} ] && hk_put_back ${former} ${path} && cmp -s ${former} ${path}; then
  rm -f ${former}
  echo ${`the key of ${name} that was there before is in its place again`} >&2
fi`;
    }),
    sh`exit 1
fi`,
  ]);
}
