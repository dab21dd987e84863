import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { handoverFolder, reloadNote } from "./caddy-places.ts";

/** Whether a second Caddy can take over on this host; the unit writes it at each start of Caddy (caddy-handover, look). */
const wayPath = `${handoverFolder}/way`;

/** For `noteReload`. */
export const handoverNeed: FactNeed = need(textFacts, wayPath);

/**
 * What a plan says where Caddy has to read something anew: nothing where a second Caddy takes over, which cuts nothing.
 * @param isForeign somebody else's Caddyfile, whose unit is as it was
 */
export function noteReload(facts: Facts, { isForeign = false } = {}): string[] {
  return !isForeign && facts.get(textFacts, wayPath) === "handover\n" ? [] : [reloadNote];
}
