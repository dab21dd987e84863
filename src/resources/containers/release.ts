import { findServing, isSettled, releaseFacts } from "../../facts/containers/releases.ts";
import type { ActiveRelease, SlotName } from "../../facts/containers/releases.ts";
import { activeNeeds, readActive, trafficPathsOf } from "../../facts/containers/traffic.ts";
import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { secretNeeds } from "../../facts/files/secret-bytes.ts";
import { stampPath } from "../../facts/files/stamp.ts";
import { usedUnitFacts } from "../../facts/units/unit.ts";
import { handoverNeed } from "../proxy/handover.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences } from "../files/file.ts";
import { describeExchange, listExchangeMarks } from "./exchange.ts";
import { mend } from "./mend.ts";
import {
  awaitDrainScript,
  launchersOf,
  pruneImages,
  removeReleaseScript,
  retireScript,
  seamScript,
  startScript,
  switchScript,
  waitForDrain,
  waitForHealth,
} from "./release-scripts.ts";
import { beginScript, recordsDirectoryOf, renderRecord, settleScript } from "./records.ts";
import { describeHooks, postDeploySteps, preDeploySteps } from "./hooks.ts";
import { keepSteps } from "./kept-release.ts";
import { claimAlone, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Owned, ResourceKind, Step } from "../resource.ts";
import { hookContainerOf } from "./slots.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";
import {
  describeDrain,
  describeReload,
  hasRouting,
  drainUnitOf,
  listTrafficFiles,
  releaseStamp,
  trafficSteps,
} from "./traffic.ts";
import { describeWatch, isWatched, watchSteps } from "./watch.ts";

/** The id of a resource of this kind by its name. */
export const releaseId = idsOf("release");

export const releaseKind: ResourceKind<ReleaseResource> = {
  kind: "release",
  group: "containers",

  needs(resource): FactNeed[] {
    const { a, b } = resource.slots;
    const { upstreams } = trafficPathsOf(resource.upstreamPath);
    return [
      ...activeNeeds(resource.upstreamPath),
      ...[upstreams.a, upstreams.b, ...listExchangeMarks(resource)].map((path) =>
        need(textFacts, path),
      ),
      need(usedUnitFacts, drainUnitOf(resource.stack, resource.service)),
      need(textFacts, stampPath(resource.stackDirectory, releaseStamp(resource.service))),
      need(releaseFacts, resource.stack),
      handoverNeed,
      ...[...a.files, ...b.files].flatMap((file) => [
        need(fileFacts, file.path),
        ...("secret" in file.content ? secretNeeds(file.path, file.content.secret) : []),
        ...("text" in file.content ? [need(textFacts, file.path, file.content.text)] : []),
      ]),
      ...[...a.units, ...b.units].map((name) => need(usedUnitFacts, name)),
    ];
  },

  diff(resource, facts, context): Change | undefined {
    const active = readActive(facts, resource.upstreamPath) ?? findUnmarked(resource, facts);
    if (active === undefined)
      return deploy(resource, undefined, "was never released", "create", [], facts);

    const plan = resource.slots[active.slot];
    if (active.release !== resource.release) {
      const because =
        active.image === resource.image
          ? `configuration changed: release ${active.release} → ${resource.release}`
          : `image ${active.image} → ${resource.image}`;
      const change = deploy(
        resource,
        active.slot,
        because,
        "update",
        describeDifference(resource, active.slot, facts),
        facts,
      );
      const notes = [...describeEarlier(resource, facts), ...(change.notes ?? [])];
      return { ...change, ...notesOf(notes), ...refuseToUndo(resource, facts) };
    }
    const edited = plan.files.flatMap((file) => {
      const differences = findDifferences(file, facts);
      return differences === undefined ? [] : [`${file.path} ${differences.join(", ")}`];
    });
    if (edited.length > 0) {
      return deploy(
        resource,
        active.slot,
        edited.join("; "),
        "update",
        describeDifference(resource, active.slot, facts),
        facts,
      );
    }
    return (
      mend(resource, active, facts, context.isUnfinished) ?? writeDown(resource, active, facts)
    );
  },

  claims: (resource) =>
    [...resource.slots.a.possibleUnits, ...resource.slots.b.possibleUnits].map((name) =>
      claimAlone({ kind: "unit", name }),
    ),

  own: (resource) => ({
    kind: "release",
    name: resource.service,
    stack: resource.stack,
    service: resource.service,
    upstreamPath: resource.upstreamPath,
    units: [...resource.slots.a.possibleUnits, ...resource.slots.b.possibleUnits],
    files: [
      ...[...resource.slots.a.files, ...resource.slots.b.files].map((file) => file.path),
      ...listExchangeMarks(resource),
    ],
  }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["upstreamPath"]))],

  remove(owned: Owned, _facts, context): Change {
    return removeByScript(
      owned,
      `stop and remove ${String(owned["service"])}`,
      removeReleaseScript({
        units: owned["units"] as readonly string[],
        hook: hookContainerOf(String(owned["stack"]), String(owned["service"])),
        drain: drainUnitOf(String(owned["stack"]), String(owned["service"])),
        files: [
          ...(owned["files"] as readonly string[]),
          ...listTrafficFiles(String(owned["upstreamPath"])),
          ...launchersOf(String(owned["upstreamPath"]), owned["units"] as readonly string[]),
          stampPath(context.stackDirectory, releaseStamp(String(owned["service"]))),
        ],
        records: recordsDirectoryOf(context.stackDirectory, String(owned["service"])),
      }),
    );
  },
};

/** What its record says that serves, where somebody took the mark away that said so, or made another of it. */
function findUnmarked(
  { stack, service }: ReleaseResource,
  facts: Facts,
): ActiveRelease | undefined {
  const serving = facts
    .get(releaseFacts, stack)
    ?.records.filter((one) => one.service === service && one.state === "serving");
  return serving?.length === 1 ? serving[0] : undefined;
}

/** Somebody went back from just this release, or deployed another image than the manifest says: it takes a word to undo that. */
function refuseToUndo(
  { stack, service, release, image, given }: ReleaseResource,
  facts: Facts,
): Pick<Change, "refusal"> {
  const releases = facts.get(releaseFacts, stack);
  const serving = findServing(releases, service);
  const forget = `hostkit rollback ${service} --forget && hostkit provision`;
  if ((serving?.given ?? "") !== "" && given === undefined && serving?.image !== image)
    return {
      refusal: {
        what: `${serving?.by ?? "somebody"} deployed ${service} with ${serving?.given ?? ""} at ${formatMoment(serving?.begun ?? 0)} UTC; what the manifest says would take its place`,
        why: `the manifest does not name that image: it would run ${image}`,
        next: `write it into the manifest; or, if the manifest is right: ${forget}`,
      },
    };
  if (serving?.undoes?.includes(release) !== true) return {};
  return {
    refusal: {
      what: `${serving.by ?? "somebody"} went back from this release of ${service} at ${formatMoment(serving.begun)} UTC; it would come again`,
      why: `what serves is release ${serving.back ?? serving.release}, and what ${service} is made from is as it was then`,
      next: `change what it is made from; or, if it is to come again: ${forget}`,
    },
  };
}

/** The same has had the traffic before, and did not keep it. */
function describeEarlier({ stack, service, release }: ReleaseResource, facts: Facts): string[] {
  const newest = facts
    .get(releaseFacts, stack)
    ?.records.findLast((one) => one.service === service && one.release === release);
  if (newest?.state !== "withdrawn") return [];
  return [
    `the same was taken back at ${formatMoment(newest.since)} UTC: ${newest.bad ?? "it turned bad"}`,
  ];
}

function formatMoment(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/** Text files of the active slot against what they would be there. */
function describeDifference(resource: ReleaseResource, slot: SlotName, facts: Facts): string[] {
  return resource.slots[slot].files.flatMap((file) => {
    if (!("text" in file.content)) return [];
    const lines = diffLines(facts.get(textFacts, file.path) ?? "", file.content.text);
    return lines.length === 0 ? [] : [`--- ${file.path}`, ...lines];
  });
}

function deploy(
  resource: ReleaseResource,
  active: SlotName | undefined,
  because: string,
  action: Change["action"],
  difference: readonly string[],
  facts: Facts,
): Change {
  const next = resource.slots[active === "a" ? "b" : "a"];
  const old = active === undefined ? undefined : resource.slots[active];
  const { seam } = resource;
  const steps: Step[] = [
    {
      type: "upload",
      as: "record",
      content: {
        text: renderRecord(
          resource,
          next,
          because,
          isWatched(resource, old) ? { watch: resource.watchSeconds ?? 0 } : {},
        ),
      },
    },
    ...keepSteps(resource),
    {
      type: "script",
      title: `write down release ${resource.release}`,
      script: joinScripts([awaitDrainScript(resource, next), beginScript(resource)]),
      bound: waitForDrain(resource, next),
    },
    ...next.files.map((file): Step => ({ type: "put", ...file })),
    ...trafficSteps(resource),
    ...preDeploySteps(resource, next, old),
    {
      type: "script",
      title: `start ${next.units.join(", ")} and wait until healthy`,
      bound: waitForHealth(resource, next),
      script: startScript(resource, next, old),
    },
    ...(seam === undefined
      ? []
      : [
          {
            type: "script" as const,
            title: `log in to ${seam.database} as ${seam.role} from inside`,
            script: seamScript(resource, seam, next, old),
          },
        ]),
    {
      type: "script",
      title: `send the traffic to slot ${next.slot}`,
      script: switchScript(resource, next, old),
    },
    ...watchSteps(resource, next, old),
    {
      type: "script",
      title: old === undefined ? "tidy up" : `drain and stop slot ${old.slot}`,
      script: joinScripts([
        old === undefined ? sh`` : retireScript(resource, old),
        pruneImages(resource),
      ]),
    },
    ...postDeploySteps(resource, next),
  ];
  return {
    id: idOf(resource),
    action,
    because,
    steps,
    ...notesOf([
      ...describeDrain(resource, next, facts),
      ...(old === undefined ? [] : describeReload(resource, next, facts)),
      ...(old === undefined ? [] : describeExchange(resource, next, hasRouting(resource, facts))),
      ...describeHooks(next),
      ...describeWatch(resource, old),
    ]),
    ...(old === undefined ? {} : { insteadOf: pairFiles(next, old) }),
    ...(difference.length === 0 ? {} : { difference }),
  };
}

function notesOf(notes: readonly string[]): Pick<Change, "notes"> {
  return notes.length === 0 ? {} : { notes };
}

/** The same file in both slots: they are listed in one order. */
function pairFiles(next: SlotPlan, old: SlotPlan): Record<string, string> {
  return Object.fromEntries(
    next.files.map(({ path }, index) => [path, old.files[index]?.path ?? path]),
  );
}

/** All stands as it should, but the records do not say so: they are of an older hostkit, or of a run that was cut short. */
function writeDown(
  resource: ReleaseResource,
  active: ActiveRelease,
  facts: Facts,
): Change | undefined {
  const releases = facts.get(releaseFacts, resource.stack);
  if (isSettled(releases, resource.service, active)) return undefined;
  return {
    id: idOf(resource),
    action: "run",
    because: "no record says that this release serves",
    steps: [
      {
        type: "script",
        title: `write down release ${resource.release}`,
        script: settleScript(resource),
      },
    ],
  };
}
