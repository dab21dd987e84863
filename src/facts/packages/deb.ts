import type { FactSource } from "../fact.ts";
import { dpkgGroup, packageFacts } from "./package.ts";

export interface DebFact {
  /** Of the .deb that was installed last. */
  readonly sha256: string;
  readonly package: string;
  readonly version: string;
  /** What was taken over from the package's own unit: `command`, `unit` or `nothing`. */
  readonly adopted: string;
  /** What dpkg says about that package now: "ii" and its version; "" where it is gone. */
  readonly status: string;
  readonly installedVersion: string;
}

/** Packages that were installed from a local .deb, by the path of their stamp (`<sha256> <package> <version> <adopted>`). */
export const debFacts: FactSource<DebFact> = {
  name: "deb",
  group: dpkgGroup,
  parse(stdout, stamps) {
    const packages = packageFacts.parse(stdout, [], new Map());
    const found = new Map<string, DebFact>();
    for (const line of stdout.split("\n")) {
      const [path, sha256, name, version, adopted] = line.split(" ");
      if (path === undefined || sha256 === undefined || name === undefined) continue;
      if (!stamps.includes(path)) continue;
      const now = packages.get(name);
      found.set(path, {
        sha256,
        package: name,
        version: version ?? "",
        adopted: adopted ?? "",
        status: now?.status ?? "",
        installedVersion: now?.version ?? "",
      });
    }
    return found;
  },
};
