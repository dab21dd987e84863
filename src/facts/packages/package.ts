import { sh } from "../../shell/script.ts";
import type { FactGroup, FactSource } from "../fact.ts";

export interface PackageFact {
  readonly version: string;
  /** dpkg's abbreviation: "ii" installed, "hi" on hold, "rc" removed but configured, "iU"/"iF" half done, "iHR" broken. */
  readonly status: string;
}

/** dpkg-query(1): the second letter says how the package is, the third that it must be installed anew. */
const conditions: Readonly<Record<string, string>> = {
  H: "half-installed",
  U: "unpacked, not configured",
  F: "half-configured",
  W: "waiting for another package's trigger",
  t: "waiting for its trigger",
};

/** Whether a package is installed and whole; one on hold ("hi") is. */
export function isInstalled(fact: PackageFact | undefined): fact is PackageFact {
  return fact !== undefined && /^.i$/.test(fact.status);
}

/** Whether somebody has told apt to leave it as it is. */
export function isHeld(fact: PackageFact | undefined): boolean {
  return fact?.status.startsWith("h") === true;
}

/** What is wrong with a package that an interrupted installation left; undefined where it is whole or not there at all. */
export function describeStatus(fact: PackageFact | undefined): string | undefined {
  if (fact === undefined) return undefined;
  const [, condition = "", error = ""] = fact.status;
  const said = conditions[condition];
  if (error === "R") return `${said ?? "broken"} and must be installed anew`;
  return said;
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
