import { drillFacts } from "../../facts/backups/drill.ts";
import { expiredFacts } from "../../facts/backups/expired.ts";
import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { systemFacts, systemSubject } from "../../facts/system/system.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { repositoriesOf } from "./storages/storages.ts";

/** An append-only repository that grows. */
export interface Growing {
  readonly repository: string;
  /** Seconds since the epoch: when old backups were last removed; absent: never. */
  readonly expired?: number;
}

/** So long after the last time the growth of a repository is worth a word. */
const longAfter = 35 * 86_400;

/** Whether old backups should have been removed by now. @param since the last time, or since there are backups */
export function isExpiryLate(since: number | undefined, now: number): boolean {
  return since !== undefined && now - since > longAfter;
}

/** Repositories that old backups are removed from on the controller. */
export function listKept(manifest: Pick<Manifest, "stack" | "backups">): string[] {
  const all = (["postgres", "files"] as const).flatMap((tool) => repositoriesOf(manifest, tool));
  return [...new Set(all.filter(({ keeper }) => keeper !== undefined).map(({ name }) => name))];
}

/** What `listGrowing` asks of a host; nothing where there is no such repository. */
export function growingNeeds(manifest: Pick<Manifest, "stack" | "backups">): FactNeed[] {
  if (listKept(manifest).length === 0) return [];
  return [
    need(systemFacts, systemSubject),
    need(drillFacts, manifest.stack),
    need(expiredFacts, manifest.stack),
  ];
}

/** Those of them that nothing was removed from for long. @param facts where `growingNeeds` were asked */
export function listGrowing(
  manifest: Pick<Manifest, "stack" | "backups">,
  facts: Facts,
): Growing[] {
  const now = facts.get(systemFacts, systemSubject)?.time ?? 0;
  const times = facts.get(expiredFacts, manifest.stack);
  const since = Object.values(facts.get(drillFacts, manifest.stack)?.since ?? {});
  const first = since.length === 0 ? undefined : Math.min(...since);
  return listKept(manifest).flatMap((repository) => {
    const expired = times?.[repository];
    if (!isExpiryLate(expired ?? first, now)) return [];
    return [{ repository, ...(expired === undefined ? {} : { expired }) }];
  });
}
