import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";

/** Puts a file back as a guard's `save` has copied it; where there was none, it goes. By a rename: never half a file. */
export function putBackScript(copy: string, path: string): Script {
  return sh`if [ -e ${copy} ]; then cp -a ${copy} ${`${path}.hostkit-undo`} && mv -f ${`${path}.hostkit-undo`} ${path}; else rm -f ${path}; fi`;
}

/** Fails, saying so, unless the file is again as `save` has copied it. */
export function isBackScript(copy: string, path: string): Script {
  return sh`if [ -e ${copy} ]; then cmp ${copy} ${path}
elif [ -e ${path} ]; then echo ${`${path} is still there`} >&2; exit 1; fi`;
}
