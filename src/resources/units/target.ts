import { need } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { unitFacts } from "../../facts/units/unit.ts";
import { sh } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences, putStep } from "../files/file.ts";
import { restoreScript } from "../files/preimage.ts";
import { claimAlone, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * A systemd target: its file, enabled and reached. Never restarted, because that would restart everything that is part
 * of it.
 */
export interface TargetResource extends Resource {
  readonly kind: "target";
  /** With its suffix; also the name. */
  readonly unit: string;
  readonly text: string;
}

/** Builds a target resource. */
export function target(unit: string, text: string, after: TargetResource["after"]): TargetResource {
  return { kind: "target", name: unit, unit, text, ...(after === undefined ? {} : { after }) };
}

/** Its file. */
export function targetPath(unit: string): string {
  return `/etc/systemd/system/${unit}`;
}

function fileOf(unit: string, text: string): Parameters<typeof putStep>[0] {
  return {
    path: targetPath(unit),
    content: { text },
    mode: "0644",
    owner: "root",
    group: "root",
  };
}

export const targetKind: ResourceKind<TargetResource> = {
  kind: "target",
  group: "units",
  needs(resource) {
    const { path } = fileOf(resource.unit, resource.text);
    return [
      need(fileFacts, path),
      need(textFacts, path, resource.text),
      need(unitFacts, resource.unit),
    ];
  },

  diff(resource, facts, context): Change | undefined {
    const file = fileOf(resource.unit, resource.text);
    const fact = facts.get(unitFacts, resource.unit);
    const differences = findDifferences(file, facts);
    const reasons = [...(differences ?? [])];
    if (context.isUnfinished && differences === undefined)
      reasons.push("a run ended before it was started");
    if (differences === undefined) {
      if (fact?.unitFileState !== "enabled") reasons.push("is not enabled");
      if (fact?.activeState !== "active") reasons.push(`is ${fact?.activeState ?? "not loaded"}`);
      if (fact?.needsDaemonReload === true) reasons.push("its file changed on disk");
    }
    if (reasons.length === 0) return undefined;
    const difference = diffLines(facts.get(textFacts, file.path) ?? "", resource.text);
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, file.path) === undefined ? "create" : "update",
      because: reasons.join(", "),
      ...(difference.length === 0 ? {} : { difference }),
      steps: [
        ...(differences === undefined ? [] : [putStep(file, context)]),
        {
          type: "script",
          title: `start ${resource.unit}`,
          script: sh`systemctl daemon-reload
systemctl unmask -q ${resource.unit} 2>/dev/null || true
systemctl enable -q ${resource.unit}
systemctl start ${resource.unit}`,
        },
      ],
    };
  },

  claims: (resource) => [claimAlone({ kind: "unit", name: resource.unit })],
  own: (resource) => ({ kind: "target", name: resource.unit }),
  removalNeeds: (owned) => [need(fileFacts, targetPath(owned.name))],

  remove(owned, facts, context): Change | undefined {
    const path = targetPath(owned.name);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove ${owned.name}`,
      sh`systemctl disable -q ${owned.name} 2>/dev/null || true
systemctl stop ${owned.name} 2>/dev/null || true
${restoreScript(path, context)}
rm -rf ${`${path}.wants`}
systemctl daemon-reload`,
    );
  },
};
