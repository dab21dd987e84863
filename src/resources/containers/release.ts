import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { secretNeeds } from "../../facts/files/secret-bytes.ts";
import { hashText } from "../../facts/files/hash.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { usedUnitFacts } from "../../facts/units/unit.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences } from "../files/file.ts";
import {
  mendScript,
  pruneImagesScript,
  releaseStamp,
  removeReleaseScript,
  retireScript,
  seamScript,
  startScript,
  switchScript,
} from "./release-scripts.ts";
import { claimAlone, idOf, removeByScript } from "../resource.ts";
import type { Bound, Change, Content, Owned, Resource, ResourceKind, Step } from "../resource.ts";

export type SlotName = "a" | "b";

/** A file that only one slot reads, so that the release in the other one stays as it was. */
export interface SlotFile {
  readonly path: string;
  readonly content: Content;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

/** How the release would stand in one of the two slots. */
export interface SlotPlan {
  readonly slot: SlotName;
  readonly files: readonly SlotFile[];
  /** One a replica. */
  readonly units: readonly string[];
  /** Every unit the slot could ever have had; those beyond `units` are taken away. */
  readonly possibleUnits: readonly string[];
  /** Text of the upstream file when this slot is the active one. */
  readonly upstream: string;
}

/**
 * One version of a container service. A new one starts in the idle slot beside the active one, must become healthy,
 * takes the traffic, and only then the old one stops.
 */
export interface ReleaseResource extends Resource {
  readonly kind: "release";
  readonly stack: string;
  readonly service: string;
  readonly stackDirectory: string;
  readonly upstreamPath: string;
  readonly slots: { readonly a: SlotPlan; readonly b: SlotPlan };
  /** Hash of all that makes this version, secrets left out. */
  readonly release: string;
  readonly image: string;
  readonly graceSeconds: number;
  /** Stops the old one first: it has data, or publishes a port that only one can have. */
  readonly exclusive: boolean;
  /** Proved by a login from inside before traffic comes. */
  readonly seam?: {
    readonly user: string;
    readonly database: string;
    readonly role: string;
    /** Absent: the usual one. */
    readonly port?: string;
  };
  /** Tags of this repository that no slot uses are removed. */
  readonly imageRepository?: string;
}

/** What the upstream file says. */
export interface ActiveRelease {
  readonly slot: SlotName;
  readonly release: string;
  readonly image: string;
}

/** Reads the first line of an upstream file; undefined where nothing was released yet. */
export function parseUpstream(text: string | undefined): ActiveRelease | undefined {
  const match = /^# hostkit: slot ([ab]), release ([0-9a-f]+), image (\S+)\n/.exec(text ?? "");
  if (match === null) return undefined;
  const [, slot, release, image] = match as unknown as [string, SlotName, string, string];
  return { slot, release, image };
}

export const releaseKind: ResourceKind<ReleaseResource> = {
  kind: "release",

  needs(resource): FactNeed[] {
    const { a, b } = resource.slots;
    return [
      need(textFacts, resource.upstreamPath, a.upstream),
      need(textFacts, stampPath(resource.stackDirectory, releaseStamp(resource.service))),
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
      return deploy(
        resource,
        active.slot,
        because,
        "update",
        describeDifference(resource, active.slot, facts),
      );
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
    return mend(resource, active.slot, facts, context.isUnfinished);
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
        files: [
          ...(owned["files"] as readonly string[]),
          String(owned["upstreamPath"]),
          stampPath(context.stackDirectory, releaseStamp(String(owned["service"]))),
        ],
      }),
    );
  },
};

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
    ...next.files.map((file): Step => ({ type: "put", ...file })),
    { type: "upload", as: "upstream", content: { text: next.upstream } },
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
            script: seamScript(next, seam, old, resource.exclusive),
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
        resource.imageRepository === undefined
          ? sh``
          : pruneImagesScript(resource, resource.imageRepository),
      ]),
    },
  ];
  return {
    id: idOf(resource),
    action,
    because,
    steps,
    ...(difference.length === 0 ? {} : { difference }),
  };
}

/** The script's own patience ends first, and tidies up. */
function waitForHealth({ graceSeconds }: ReleaseResource, plan: SlotPlan): Bound {
  return { seconds: graceSeconds + 300, waitsFor: `${plan.units.join(", ")} to become healthy` };
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
  if (reasons.length === 0 && isUnfinished)
    reasons.push("a run ended before the former release was gone");
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
          resource.imageRepository === undefined
            ? sh``
            : pruneImagesScript(resource, resource.imageRepository),
        ]),
      },
    ],
  };
}
