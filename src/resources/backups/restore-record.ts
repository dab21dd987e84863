import {
  readRestoreRecord,
  renderRestoreRecord,
  restoredFromPath,
} from "../../facts/backups/restored-from.ts";
import type { RestoreChoice } from "../../facts/backups/restored-from.ts";
import { need } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import { idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * That a stack is brought back from a repository is on the disk before anything of it begins: whoever provisions after a run that was
 * cut off goes on with it, instead of making an empty stack.
 */
export interface RestoreRecordResource extends Resource {
  readonly kind: "restore-record";
  readonly stackDirectory: string;
  /** Absent: nobody asks for it now. */
  readonly asked?: RestoreChoice;
  /** Names of the manifest's repositories. */
  readonly repositories: readonly string[];
}

/** The id of a stack's record. */
export const restoreRecordId = idsOf("restore-record");

/** Builds the record; its name is the stack's. */
export function restoreRecord(
  name: string,
  options: Omit<RestoreRecordResource, "kind" | "name">,
): RestoreRecordResource {
  return { kind: "restore-record", name, ...options };
}

export const restoreRecordKind: ResourceKind<RestoreRecordResource> = {
  kind: "restore-record",
  group: "backups",
  needs: ({ stackDirectory }) => [need(textFacts, restoredFromPath(stackDirectory))],

  diff(resource, facts): Change | undefined {
    const { asked, stackDirectory, repositories } = resource;
    const path = restoredFromPath(stackDirectory);
    const record = readRestoreRecord(facts.get(textFacts, path));
    if (record === undefined) {
      if (asked === undefined) return undefined;
      const content = { text: renderRestoreRecord(asked) };
      return {
        id: idOf(resource),
        action: "create",
        because: `the stack is to be brought back from ${asked.repository}`,
        steps: [{ type: "put", path, content, mode: "0600", owner: "root", group: "root" }],
      };
    }
    if (record.isDone.postgres && record.isDone.files) return undefined;
    if (repositories.includes(record.repository)) return undefined;
    return {
      id: idOf(resource),
      action: "run",
      because: "what was begun cannot be gone on with",
      steps: [],
      refusal: {
        what: `this stack is being brought back from the repository ${record.repository}, and the manifest has no such repository with backups`,
        why: "an empty stack would take the place of the data",
        next: `put the repository ${record.repository} back into the manifest; or, to begin without the data: hostkit uninstall --delete-data`,
      },
    };
  },

  own(resource, context) {
    const { name, stackDirectory, asked } = resource;
    const path = restoredFromPath(stackDirectory);
    const isThere = asked !== undefined || context?.facts.get(textFacts, path) !== undefined;
    return isThere ? { kind: "restore-record", name, path } : undefined;
  },
  removalNeeds: (owned) => [need(textFacts, String(owned["path"]))],

  remove(owned, facts): Change | undefined {
    const path = String(owned["path"]);
    if (facts.get(textFacts, path) === undefined) return undefined;
    return removeByScript(owned, `remove ${path}`, sh`hk_remove ${path}`);
  },
};
