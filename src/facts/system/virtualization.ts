import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** The one subject of this source. */
export const containerSubject = "host";

/**
 * The container technology the host itself runs in ("systemd-nspawn", "lxc"), as systemd(1) wrote it down when it
 * booted; "" on a machine with a kernel of its own. In a container the kernel, its clock and its swap belong to the machine underneath.
 */
export const containerFacts: FactSource<string> = {
  name: "container",
  script: () =>
    sh`[ ! -f /run/systemd/container ] || { read -r v </run/systemd/container; echo "$v"; }`,
  parse(stdout) {
    return new Map([[containerSubject, stdout.trim()]]);
  },
};
