import { distributionOf, type Distribution } from "../../src/distributions.ts";
import { labSystemNames } from "../../src/lab/systems.ts";
import type { LabOs } from "../../src/lab/systems.ts";

/** What the table says of a lab host's system. */
export function distributionOn(os: LabOs): Distribution {
  const [distribution = "", version = ""] = os.split("-");
  return distributionOf({ distribution, version });
}

/** Where the tests of services run: the newest in CI's half hour, all in `scripts/test-long`. */
export const testedSystems: readonly LabOs[] =
  process.env["HOSTKIT_LONG"] === "1" ? labSystemNames : ["debian-13"];
