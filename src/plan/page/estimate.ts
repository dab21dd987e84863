import type { Facts } from "../../facts/fact.ts";
import { pastRunFacts } from "../../facts/past-runs.ts";
import type { PastChange } from "../../facts/past-runs.ts";
import type { ResourceId } from "../../resources/resource.ts";
import type { Plan, PlannedChange } from "../types.ts";

/** How long a run takes, by what the same changes took in the host's last runs. */
export interface Estimate {
  /** Of what is known; absent: nothing is. */
  readonly seconds?: number;
  /** Changes that may take long, of which the last runs know nothing. */
  readonly unknown: readonly ResourceId[];
}

/** So many changes go on at once. */
const parallel = 4;

/** What a change took the last time it was made; undefined where no run that is kept made it. */
export function secondsOf(
  { stackDirectory }: Pick<Plan, "stackDirectory">,
  change: PlannedChange,
  closer: Facts,
): number | undefined {
  return lastOf(closer.get(pastRunFacts, stackDirectory) ?? [], change)?.seconds;
}

/** What depends on more than what it is: other packages, other migrations, another backup. */
const varying: ReadonlySet<string> = new Set([
  ...["packages", "postgres-migrations", "restored-cluster", "restored-files"],
]);

function lastOf(
  past: readonly PastChange[],
  { id, kind = "", action }: PlannedChange,
): PastChange | undefined {
  if (varying.has(kind)) return undefined;
  const same = past.filter((one) => one.id === id && one.action !== "delete");
  const asked = same.find((one) => one.action === action);
  // The first release is not watched and has nothing to drain.
  return asked ?? (kind === "release" || action === "delete" ? undefined : same[0]);
}

/** The end of the last change, with as many going on at once as the runner lets, and each behind what it waits for. */
export function estimateRun(
  { changes, stackDirectory }: Pick<Plan, "changes" | "stackDirectory">,
  closer: Facts,
): Estimate {
  const past = closer.get(pastRunFacts, stackDirectory) ?? [];
  const unknown: ResourceId[] = [];
  const endOf = new Map<ResourceId, number>();
  const lanes: number[] = Array.from({ length: parallel }, () => 0);
  let isAnyKnown = false;
  for (const change of changes) {
    const known = lastOf(past, change)?.seconds;
    const least = known ?? watchedFor(change);
    if (least > 0 || known !== undefined) isAnyKnown = true;
    if (known === undefined && !isQuick(change)) unknown.push(change.id);
    const ready = Math.max(0, ...change.waitsFor.map((id) => endOf.get(id) ?? 0));
    const free = lanes.indexOf(Math.min(...lanes));
    const end = Math.max(ready, lanes[free] ?? 0) + least;
    lanes[free] = end;
    endOf.set(change.id, end);
  }
  return {
    ...(isAnyKnown ? { seconds: Math.max(...endOf.values()) } : {}),
    unknown,
  };
}

/** A release is watched for as long as its manifest says, whatever else it takes. */
function watchedFor({ steps }: Pick<PlannedChange, "steps">): number {
  const seconds = steps.map((step) =>
    step.type === "script" ? /^watch .* for (\d+) s$/.exec(step.title)?.[1] : undefined,
  );
  return Math.max(0, ...seconds.map((text) => Number(text ?? 0)));
}

/** Kinds whose changes are over in the blink of an eye: a file, a folder, a user, a line somewhere. */
const quickKinds: ReadonlySet<string> = new Set([
  ...[
    "file",
    "json-file",
    "block",
    "directory",
    "user",
    "claims",
    "hostname",
    "timezone",
    "sysctl",
  ],
  ...["target", "network", "volume", "postgres-role", "postgres-grants", "postgres-extensions"],
  ...["postgres-database", "backup-passphrase", "time-sync", "restore-point"],
]);

function isQuick({ kind = "", name = "" }: PlannedChange): boolean {
  return quickKinds.has(kind) || (kind === "unit" && name.endsWith(".timer"));
}
