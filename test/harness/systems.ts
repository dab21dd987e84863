import { distributionOf, type Distribution } from "../../src/distributions.ts";
import type { LabOs } from "../../src/lab/systems.ts";

/** What the table says of a lab host's system. */
export function distributionOn(os: LabOs): Distribution {
  const [distribution = "", version = ""] = os.split("-");
  return distributionOf({ distribution, version });
}
