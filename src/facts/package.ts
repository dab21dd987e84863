import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

export interface PackageFact {
  readonly version: string;
  /** dpkg's abbreviation: "ii" installed, "rc" removed but configured, "iU"/"iF" half done. */
  readonly status: string;
}

/** Debian packages by name. */
export const packageFacts: FactSource<PackageFact> = {
  name: "package",
  script: (names) =>
    sh`dpkg-query -W -f ${"${Package}\\t${Version}\\t${db:Status-Abbrev}\\n"} ${names}`,
  parse(stdout) {
    const found = new Map<string, PackageFact>();
    for (const line of stdout.split("\n")) {
      const [name, version, status] = line.split("\t");
      if (name === undefined || version === undefined || status === undefined) continue;
      if (status.startsWith("un")) continue;
      found.set(name, { version, status: status.trim() });
    }
    return found;
  },
};
