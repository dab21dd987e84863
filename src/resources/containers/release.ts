import {
  findServing,
  isSettled,
  parseUpstream,
  releaseFacts,
} from "../../facts/containers/releases.ts";
import type { ActiveRelease, SlotName } from "../../facts/containers/releases.ts";
import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { secretNeeds } from "../../facts/files/secret-bytes.ts";
import { hashText } from "../../facts/files/hash.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { usedUnitFacts } from "../../facts/units/unit.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences } from "../files/file.ts";
import {
  mendScript,
  releaseStamp,
  removeReleaseScript,
  retireScript,
  seamScript,
  startScript,
  switchScript,
} from "./release-scripts.ts";
import {
  beginScript,
  pruneImagesScript,
  recordsDirectoryOf,
  renderRecord,
  settleScript,
} from "./records.ts";
import { describeHooks, postDeploySteps, preDeploySteps } from "./hooks.ts";
import { keepSteps } from "./kept-release.ts";
import { claimAlone, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Bound, Change, Owned, ResourceKind, Step } from "../resource.ts";
import { hookContainerOf } from "./slots.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";

/** The id of a resource of this kind by its name. */
export const releaseId = idsOf("release");

export const releaseKind: ResourceKind<ReleaseResource> = {
  kind: "release",
  group: "containers",

  needs(resource): FactNeed[] {
    const { a, b } = resource.slots;
    return [
      need(textFacts, resource.upstreamPath, a.upstream),
      need(textFacts, stampPath(resource.stackDirectory, releaseStamp(resource.service))),
      need(releaseFacts, resource.stack),
      ...[...a.files, ...b.files].flatMap((file) => [
        need(fileFacts, file.path),
        ...("secret" in file.content ? secretNeeds(file.path, file.content.secret) : []),
        ...("text" in file.content ? [need(textFacts, file.path, file.content.text)] : []),
      ]),
      ...[...a.units, ...b.units].map((name) => need(usedUnitFacts, name)),
    ];
  },

  diff(resource, facts, context): Change | undefined {
    const active = parseUpstream(facts.get(textFacts, resource.upstreamPath));
    if (active === undefined)
      return deploy(resource, undefined, "was never released", "create", []);

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
      );
      return { ...change, ...refuseToUndo(resource, facts) };
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
      );
    }
    return (
      mend(resource, active.slot, facts, context.isUnfinished) ?? writeDown(resource, active, facts)
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
    files: [...resource.slots.a.files, ...resource.slots.b.files].map((file) => file.path),
  }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["upstreamPath"]))],

  remove(owned: Owned, _facts, context): Change {
    return removeByScript(
      owned,
      `stop and remove ${String(owned["service"])}`,
      removeReleaseScript({
        units: owned["units"] as readonly string[],
        hook: hookContainerOf(String(owned["stack"]), String(owned["service"])),
        files: [
          ...(owned["files"] as readonly string[]),
          String(owned["upstreamPath"]),
          stampPath(context.stackDirectory, releaseStamp(String(owned["service"]))),
        ],
        records: recordsDirectoryOf(context.stackDirectory, String(owned["service"])),
      }),
    );
  },
};

/** Somebody went back from just this release: it takes a word to release it again. */
function refuseToUndo(
  { stack, service, release }: ReleaseResource,
  facts: Facts,
): Pick<Change, "refusal"> {
  const releases = facts.get(releaseFacts, stack);
  const serving = findServing(releases, service);
  if (serving?.undoes?.includes(release) !== true) return {};
  const when = new Date(serving.begun * 1000).toISOString().slice(0, 16).replace("T", " ");
  return {
    refusal: {
      what: `${serving.by ?? "somebody"} went back from this release of ${service} at ${when} UTC; it would come again`,
      why: `what serves is release ${serving.back ?? serving.release}, and what ${service} is made from is as it was then`,
      next: `change what it is made from; or, if it is to come again: hostkit rollback ${service} --forget && hostkit provision`,
    },
  };
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
): Change {
  const next = resource.slots[active === "a" ? "b" : "a"];
  const old = active === undefined ? undefined : resource.slots[active];
  const { seam } = resource;
  const steps: Step[] = [
    { type: "upload", as: "record", content: { text: renderRecord(resource, next, because) } },
    ...keepSteps(resource),
    {
      type: "script",
      title: `write down release ${resource.release}`,
      script: beginScript(resource),
    },
    ...next.files.map((file): Step => ({ type: "put", ...file })),
    { type: "upload", as: "upstream", content: { text: next.upstream } },
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
    {
      type: "script",
      title: old === undefined ? "tidy up" : `drain and stop slot ${old.slot}`,
      script: joinScripts([
        old === undefined ? sh`` : retireScript(old, resource.exclusive ? 0 : 5),
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
    ...notesOf(next),
    ...(old === undefined ? {} : { insteadOf: pairFiles(next, old) }),
    ...(difference.length === 0 ? {} : { difference }),
  };
}

function notesOf(plan: SlotPlan): Pick<Change, "notes"> {
  const notes = describeHooks(plan);
  return notes.length === 0 ? {} : { notes };
}

/** The same file in both slots: they are listed in one order. */
function pairFiles(next: SlotPlan, old: SlotPlan): Record<string, string> {
  return Object.fromEntries(
    next.files.map(({ path }, index) => [path, old.files[index]?.path ?? path]),
  );
}

/** The script's own patience ends first, and tidies up. */
export function waitForHealth({ graceSeconds }: ReleaseResource, plan: SlotPlan): Bound {
  return { seconds: graceSeconds + 300, waitsFor: `${plan.units.join(", ")} to become healthy` };
}

/** Images of the service that no release needs any more; nothing where none were built. */
export function pruneImages({ imageRepository }: ReleaseResource): Script {
  return imageRepository === undefined ? sh`` : pruneImagesScript(imageRepository);
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

/** The right release is in place, but not all of it stands as it should. */
function mend(
  resource: ReleaseResource,
  slot: SlotName,
  facts: Facts,
  isUnfinished: boolean,
): Change | undefined {
  const plan = resource.slots[slot];
  const idle = resource.slots[slot === "a" ? "b" : "a"];
  const reasons = listFaults(resource, plan, idle, facts);
  if (reasons.length === 0 && isUnfinished)
    reasons.push(
      plan.hooks?.some(({ name }) => name === "post_deploy") === true
        ? "a run ended before the former release was gone and post_deploy had run"
        : "a run ended before the former release was gone",
    );
  if (reasons.length === 0) return undefined;
  return {
    id: idOf(resource),
    action: "restart",
    because: reasons.join(", "),
    steps: [
      { type: "upload", as: "upstream", content: { text: plan.upstream } },
      {
        type: "script",
        title: `start ${plan.units.join(", ")} and wait until healthy`,
        bound: waitForHealth(resource, plan),
        script: mendScript(resource, plan),
      },
      {
        type: "script",
        title: `send the traffic to slot ${slot}`,
        script: joinScripts([
          switchScript(resource, plan, undefined),
          retireScript(idle, resource.exclusive ? 0 : 5),
          pruneImages(resource),
        ]),
      },
      // The run that was to run it did not come to its end.
      ...(isUnfinished ? postDeploySteps(resource, plan) : []),
    ],
  };
}

/** What does not stand as the release in this slot wants it. */
function listFaults(
  resource: ReleaseResource,
  plan: SlotPlan,
  idle: SlotPlan,
  facts: Facts,
): string[] {
  const reasons: string[] = [];
  for (const name of plan.units) {
    const fact = facts.get(usedUnitFacts, name);
    if (fact?.loadState === "masked") reasons.push(`${name} is masked`);
    else if (fact?.unitFileState !== "enabled") reasons.push(`${name} is not enabled`);
    if (fact?.activeState !== "active")
      reasons.push(`${name} is ${fact?.activeState ?? "inactive"}`);
    if (fact?.needsDaemonReload === true) reasons.push(`${name} changed on disk`);
  }
  const leftover = idle.units.filter((name) => {
    const fact = facts.get(usedUnitFacts, name);
    return (
      fact !== undefined &&
      (["active", "activating"].includes(fact.activeState) || fact.unitFileState === "enabled")
    );
  });
  if (leftover.length > 0) reasons.push(`${leftover.join(", ")} of another release still runs`);
  if (facts.get(textFacts, resource.upstreamPath) !== plan.upstream)
    reasons.push(`${resource.upstreamPath} was edited`);
  else if (
    readStamp(facts, resource.stackDirectory, releaseStamp(resource.service)) !==
    hashText(plan.upstream)
  )
    reasons.push("the proxy has not read where it listens");
  return reasons;
}
