import type { Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { defaultDrainSeconds } from "./slots.ts";
import type { ExchangePlan, ReleaseResource, SlotPlan } from "./slots.ts";

/** Folder of the marks of a stack's services. */
export function exchangeFolderOf(stack: string): string {
  return `/run/hostkit-exchange/${stack}`;
}

/** The addresses that have the traffic while a replica is exchanged. @param replica its number, from 1 */
export function listOthers(
  { a, b }: ExchangePlan["addresses"],
  replica: number,
): readonly string[] {
  return [...b.slice(0, replica - 1), ...a.slice(replica)];
}

/** The marks, one a replica. */
export function listExchangeMarks({ exchange }: Pick<ReleaseResource, "exchange">): string[] {
  return (exchange?.addresses.a ?? []).map((_, index) => `${exchange?.marks}.${index + 1}`);
}

/** A plan's note where replicas that could be exchanged one at a time are not. */
export const allAtOnceNote =
  "all replicas stop before the new ones start: how many there are changes, or what Caddy reads of them";

/** What a plan says of a release whose replicas must not run beside those of another. @param isRouted Caddy has them in its configuration */
export function describeExchange(
  { exchange, drainSeconds = defaultDrainSeconds }: ReleaseResource,
  { units }: SlotPlan,
  isRouted: boolean,
): string[] {
  if (exchange === undefined) return [];
  if (!isRouted) return [allAtOnceNote];
  return [
    `its ${units.length} replicas are exchanged one at a time: each ends what it has, within ${drainSeconds} s (drain), and stops before its successor starts`,
  ];
}

/** Sets what the functions of exchange.sh go by; nothing where there is nothing to exchange. */
export function openExchange({ exchange, slots }: ReleaseResource): Script {
  if (exchange === undefined) return sh``;
  const { marks, addresses } = exchange;
  return sh`hk_exchange=${marks} hk_replicas=${addresses.a.length}
hk_units_a=${slots.a.units.join(" ")} hk_units_b=${slots.b.units.join(" ")}
hk_addresses_a=${addresses.a.join(" ")} hk_addresses_b=${addresses.b.join(" ")}`;
}

/** Ends an exchange that was begun: the replicas of this slot run again. Wants `openTraffic` and `beginWaiting` before it. */
export function exchangeBackScript(resource: ReleaseResource, to: SlotPlan): Script {
  if (resource.exchange === undefined) return sh``;
  return sh`hk_exchange_back ${to.slot} || echo "a former replica is not healthy yet" >&2`;
}

/** The mark of the release that serves says alone again where the traffic goes. Wants `openTraffic` before it. */
export function endExchangeScript({ exchange }: ReleaseResource): Script {
  return exchange === undefined ? sh`` : sh`hk_exchange_end`;
}

/** A replica that is between two releases, in words: a run was cut short. */
export function listExchangeFaults(resource: ReleaseResource, facts: Facts): string[] {
  const at = listExchangeMarks(resource).findIndex(
    (path) => facts.get(textFacts, path) !== undefined,
  );
  return at === -1 ? [] : [`a run ended while replica ${at + 1} was exchanged`];
}
