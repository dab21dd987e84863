import { findServing, originOf } from "../facts/containers/releases.ts";
import type { ReleaseRecord, SlotName, StackReleases } from "../facts/containers/releases.ts";
import {
  beginAgainScript,
  placeScript,
  startAgainScript,
} from "../resources/containers/kept-release.ts";
import {
  pruneImages,
  retireScript,
  seamScript,
  switchScript,
  waitForDrain,
  waitForHealth,
} from "../resources/containers/release-scripts.ts";
import { forgetScript, recordsDirectoryOf } from "../resources/containers/records.ts";
import { releaseId } from "../resources/containers/release.ts";
import type { ReleaseResource, SlotPlan } from "../resources/containers/slots.ts";
import { trafficFilesScript } from "../resources/containers/traffic.ts";
import { joinScripts } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { OperationStep } from "./operation.ts";

/** Why nothing can be gone back to, for a person, and what there is instead. */
export interface NoWayBack {
  readonly what: string;
  readonly why?: string;
}

/** Whether a release can be gone back to. */
export function isReturnable(record: ReleaseRecord): boolean {
  return record.state === "replaced" && record.kept === true;
}

/**
 * Which release is meant.
 * @param word an id or the beginning of one; absent: what served before the one that serves now, so that nobody comes to what was gone back
 *   from; where that one was gone back to itself, what is older than it, so that a second rollback goes further back
 */
export function chooseRelease(
  releases: StackReleases | undefined,
  service: string,
  word: string | undefined,
): ReleaseRecord | NoWayBack {
  const records = (releases?.records ?? []).filter((one) => one.service === service);
  const serving = findServing(releases, service);
  if (serving === undefined)
    return records.length === 0 && releases?.active[service] === undefined
      ? { what: `${service} was never released here` }
      : {
          what: `no record says what serves of ${service}`,
          why: "its releases are older than records, or a run was cut short: hostkit provision writes it down",
        };
  if (word === undefined) {
    // After a release what served just before it; after a way back what is older than where that led.
    const placeOf = ({ id, back }: ReleaseRecord) =>
      serving.back === undefined ? id : (back ?? id);
    const [found] = records
      .filter(
        (one) =>
          placeOf(one) < placeOf(serving) && isReturnable(one) && one.release !== serving.release,
      )
      .toSorted((left, right) => (placeOf(left) < placeOf(right) ? 1 : -1));
    return (
      found ?? { what: `there is no release of ${service} to go back to`, ...whyNone(records) }
    );
  }
  const [found, ...others] = records.filter(({ id }) => id.startsWith(word));
  if (found === undefined) return { what: `${service} has no release ${word}` };
  if (others.length > 0) return { what: `several releases of ${service} begin with ${word}` };
  if (found.id === serving.id) return { what: `release ${found.id} of ${service} serves already` };
  if (isReturnable(found)) return found;
  return {
    what: `release ${found.id} of ${service} cannot be gone back to`,
    why:
      found.state === "failed"
        ? "it never served"
        : found.state === "withdrawn"
          ? "it turned bad while it was watched, and the traffic went back"
          : "it was made before hostkit kept what starts a release again",
  };
}

function whyNone(records: readonly ReleaseRecord[]): { readonly why?: string } {
  return records.some(({ state, kept }) => state === "replaced" && kept !== true)
    ? { why: "the one before was made before hostkit kept what starts a release again" }
    : {};
}

/** Steps that let a kept release serve again, in the idle slot: as a release, without an image's source and without the manifest. */
export function planRollback(
  kept: ReleaseResource,
  chosen: ReleaseRecord,
  serving: ReleaseRecord,
): OperationStep[] {
  const other: SlotName = serving.slot === "a" ? "b" : "a";
  const [next, old] = [kept.slots[other], kept.slots[serving.slot]];
  const undone = new Set([...(serving.undoes ?? []), serving.release]);
  undone.delete(kept.release);
  const because = `back to ${chosen.id}`;
  const origin = { ...{ id: chosen.id, because }, origin: originOf(chosen), undoes: [...undone] };
  const step = (part: string, title: string, script: Script): OperationStep => ({
    id: releaseId(`${kept.service}/${part}`),
    ...{ title, because, script },
  });
  return [
    {
      ...step(
        "record",
        `write down that release ${chosen.id} is gone back to`,
        beginAgainScript(kept, next, origin),
      ),
      bound: waitForDrain(kept, next),
    },
    step("files", `put its files into slot ${other}`, placeScript(kept, next)),
    {
      ...step("start", startTitle(next), startAgainScript(kept, next, old, chosen.id)),
      bound: waitForHealth(kept, next),
    },
    ...proveDatabase(kept, next, old).map(({ title, script }) => step("database", title, script)),
    step(
      "traffic",
      `send the traffic to slot ${other}`,
      joinScripts([trafficFilesScript(kept), switchScript(kept, next, old)]),
    ),
    step(
      "former",
      `drain and stop slot ${serving.slot}`,
      // Whoever goes back is in a hurry.
      joinScripts([retireScript(kept, old, false), pruneImages(kept)]),
    ),
  ];
}

function startTitle({ units }: SlotPlan): string {
  return `start ${units.join(", ")} and wait until healthy`;
}

function proveDatabase(
  kept: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan,
): { readonly title: string; readonly script: Script }[] {
  const { seam } = kept;
  if (seam === undefined) return [];
  const title = `log in to ${seam.database} as ${seam.role} from inside`;
  return [{ title, script: seamScript(kept, seam, next, old) }];
}

/** One step: the next provision may release again what was gone back from. */
export function planForgetting(stackDirectory: string, serving: ReleaseRecord): OperationStep[] {
  return [
    {
      id: releaseId(`${serving.service}/record`),
      title:
        (serving.given ?? "") === ""
          ? `forget that ${serving.service} was gone back to ${serving.back ?? serving.id}`
          : `forget that ${serving.service} was deployed with ${serving.given ?? ""}`,
      because: "asked for",
      script: forgetScript(recordsDirectoryOf(stackDirectory, serving.service), serving.id),
    },
  ];
}
