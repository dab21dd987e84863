import { need } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";
import { writeStampScript } from "../units/unit.ts";

/** A repository that is made and can be written to with its password. Removal of local ones is their directory's matter. */
export interface BackupRepositoryResource extends Resource {
  readonly kind: "backup-repository";
  readonly stackDirectory: string;
  /** Files that are there as soon as the repository is; none for a remote one. */
  readonly markers: readonly string[];
  /** Hash of everything that says where and how it is reached. */
  readonly inputs: string;
  /** Further files that preparing it leaves behind. */
  readonly leaves: readonly string[];
  /** Changes of these call for another look. */
  readonly watches: readonly ResourceId[];
  /** The major version of a cluster whose every change is kept: runs write restore points into its WAL. */
  readonly pointsOf?: number;
  /** How long `prepare` may wait for a backup that is going on. */
  readonly waitSeconds?: number;
  /** Makes it where it is not there, checks it where it is; fails with a reason. */
  readonly prepare: Script;
}

/** Builds a repository resource; `name` is `postgres/local`, `files/offsite`. */
export function backupRepository(
  name: string,
  options: Omit<BackupRepositoryResource, "kind" | "name">,
): BackupRepositoryResource {
  return {
    kind: "backup-repository",
    name,
    ...options,
    after: [...new Set([...(options.after ?? []), ...options.watches])],
  };
}

function stampOf(name: string): string {
  return `backup-repository-${name}`;
}

export const backupRepositoryKind: ResourceKind<BackupRepositoryResource> = {
  kind: "backup-repository",
  group: "backups",
  needs: (resource) => [
    need(textFacts, stampPath(resource.stackDirectory, stampOf(resource.name))),
    ...resource.markers.map((path) => need(fileFacts, path)),
  ],

  diff(resource, facts, context): Change | undefined {
    const { name, stackDirectory, markers, inputs } = resource;
    const stamp = readStamp(facts, stackDirectory, stampOf(name));
    const changed = resource.watches.filter((id) => context.changed.has(id));
    const reasons: string[] = [];
    if (markers.some((path) => facts.get(fileFacts, path) === undefined))
      reasons.push("does not exist");
    else if (stamp === undefined) reasons.push("was not checked yet");
    else if (stamp !== inputs) reasons.push("its settings changed");
    else if (changed.length > 0) reasons.push(`${changed.join(", ")} changed`);
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: stamp === undefined ? "create" : "update",
      because: reasons.join(", "),
      invalidates: [stampPath(stackDirectory, stampOf(name))],
      steps: [
        {
          type: "script",
          title: `prepare backup repository ${name}`,
          bound: {
            seconds: (resource.waitSeconds ?? 0) + 900,
            waitsFor: `the backup repository ${name}`,
          },
          script: joinScripts([
            resource.prepare,
            writeStampScript(stackDirectory, stampOf(name), inputs),
          ]),
        },
      ],
    };
  },

  own: (resource) => ({
    kind: "backup-repository",
    name: resource.name,
    leaves: resource.leaves,
  }),
  removalNeeds: () => [],

  /** What is in the repository stays. */
  remove(owned, _facts, context): Change {
    const leaves = (owned["leaves"] as readonly string[] | undefined) ?? [];
    return removeByScript(
      owned,
      `forget backup repository ${owned.name}`,
      sh`rm -f ${[...leaves, stampPath(context.stackDirectory, stampOf(owned.name))]}`,
    );
  },
};
