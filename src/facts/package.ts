import { sh } from "../shell/script.ts";
import type { FactGroup, FactSource } from "./fact.ts";

export interface PackageFact {
  readonly version: string;
  /** dpkg's abbreviation: "ii" installed, "rc" removed but configured, "iU"/"iF" half done. */
  readonly status: string;
}

/**
 * Prints `STAMP SHA256 PACKAGE VERSION ADOPTED` for each stamp of a .deb (`deb.ts`), then what dpkg says of all packages: it reads its
 * whole database at each start.
 */
export const dpkgGroup: FactGroup = {
  name: "dpkg",
  script: (subjects) => sh`set -- ${subjects.get("package") ?? []}
for f in ${subjects.get("deb") ?? []}; do
  [ -s "$f" ] || continue
  read -r sha256 package version adopted <"$f"
  echo "$f $sha256 $package $version \${adopted:--}"
  set -- "$@" "$package"
done
[ $# -eq 0 ] || dpkg-query -W -f ${"${Package}\\t${Version}\\t${db:Status-Abbrev}\\n"} "$@"`,
};

/** Debian packages by name. */
export const packageFacts: FactSource<PackageFact> = {
  name: "package",
  group: dpkgGroup,
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
