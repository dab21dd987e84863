import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** The one subject of this source. */
export const containerSubject = "host";

/**
 * The container technology the host itself runs in ("systemd-nspawn", "lxc"), by systemd-detect-virt(1); "" on a machine
 * with a kernel of its own. In a container the kernel, its clock and its swap belong to the machine underneath.
 */
export const containerFacts: FactSource<string> = {
  name: "container",
  script: () => sh`v=$(systemd-detect-virt --container) || v=none
echo "$v"`,
  parse(stdout) {
    const name = stdout.trim();
    return new Map([[containerSubject, name === "none" ? "" : name]]);
  },
};
