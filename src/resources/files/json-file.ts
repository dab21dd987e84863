import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import type { FileFact } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { othersWith } from "../../facts/neighbours.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { handOver, neighboursOf } from "../claims.ts";
import { diffLines } from "./difference.ts";
import { putStep } from "./file.ts";
import { preimagePath, restoreScript } from "./preimage.ts";
import { claimTogether, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, DiffContext, Owned, Resource, ResourceKind } from "../resource.ts";

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

type JsonObject = Readonly<Record<string, Json>>;

/**
 * Keys in a JSON file that others have a part in: all other keys stay, and so does a key of ours that somebody had set to another
 * value before hostkit came. What hostkit set and somebody changed is drift.
 */
export interface JsonFileResource extends Resource {
  readonly kind: "json-file";
  readonly path: string;
  readonly values: JsonObject;
  /** Asks the program that reads it; the file is `next` in the working folder. Prints why not and fails. */
  readonly check?: Script;
  /**
   * What stood there is kept in this folder below the stack's until whoever starts its reader anew takes the folder away. It holds
   * `file`, or nothing where there was no file.
   */
  readonly former?: string;
}

/** Builds a JSON file resource; its name is the path. */
export function jsonFile(
  path: string,
  values: JsonObject,
  options: Partial<Pick<JsonFileResource, "after" | "check" | "former">> = {},
): JsonFileResource {
  return { kind: "json-file", name: path, path, values, ...options };
}

interface Merge {
  readonly next: string;
  /** Keys of ours that the file does not have as they should be. */
  readonly missing: readonly string[];
  /** Keys that somebody had set otherwise before. */
  readonly respected: readonly string[];
}

/** undefined: what is there cannot be read. */
function merge(
  resource: JsonFileResource,
  facts: Facts,
  owned: Owned | undefined,
): Merge | undefined {
  const { path, values } = resource;
  const present = parseObject(facts.get(textFacts, path) ?? "{}");
  if (present === undefined) return undefined;
  const differing = Object.keys(values).filter(
    (key) => JSON.stringify(present[key]) !== JSON.stringify(values[key]),
  );
  // Before hostkit kept the keys it had set, it set them all.
  const set = new Set(
    owned === undefined ? [] : ((owned["keys"] as readonly string[]) ?? Object.keys(values)),
  );
  const respected = differing.filter((key) => key in present && !set.has(key));
  const missing = differing.filter((key) => !respected.includes(key));
  const ours = Object.fromEntries(missing.map((key) => [key, values[key]]));
  const next = `${JSON.stringify({ ...present, ...ours }, undefined, 2)}\n`;
  return { next, missing, respected };
}

/** The id of a resource of this kind by its name. */
export const jsonFileId = idsOf("json-file");

/** Where something else stands that is no JSON object in a file. */
function refuseOther(
  path: string,
  type: FileFact["type"] | undefined,
): Pick<Change, "because" | "refusal" | "steps"> {
  const what = `${path} is ${type === "file" ? "not a JSON object" : `a ${type ?? "thing"}, not a file`}`;
  return {
    because: what,
    refusal: {
      what,
      why: "what it says could not be kept; nothing was changed",
      next: `mend it or move it away on the host: ${path}`,
    },
    steps: [],
  };
}

export const jsonFileKind: ResourceKind<JsonFileResource> = {
  kind: "json-file",
  group: "files",
  needs: (resource) => [need(textFacts, resource.path), need(fileFacts, resource.path)],

  diff(resource, facts, context): Change | undefined {
    const { path } = resource;
    const text = facts.get(textFacts, path);
    const fact = facts.get(fileFacts, path);
    const change = {
      id: idOf(resource),
      action: text === undefined ? "create" : "update",
    } as const;
    const merged = merge(resource, facts, context.owned);
    if (merged === undefined || (fact !== undefined && fact.type !== "file"))
      return { ...change, ...refuseOther(path, fact?.type) };
    const { next, missing, respected } = merged;
    if (missing.length === 0) return undefined;
    const notes =
      respected.length === 0 ? [] : [`${respected.join(", ")} stays as it was set here`];
    return {
      ...change,
      because: [
        text === undefined ? "does not exist" : `differs in ${missing.join(", ")}`,
        ...notes,
      ].join("; "),
      ...(notes.length === 0 ? {} : { notes }),
      difference: diffLines(text ?? "", next),
      steps: [
        ...checkSteps(resource, next),
        putStep(
          {
            path,
            content: { text: next },
            mode: fact?.mode ?? "0644",
            owner: fact?.owner ?? "root",
            group: fact?.group ?? "root",
          },
          context,
        ),
      ],
    };
  },

  claims: (resource) => [claimTogether(idOf(resource))],

  own(resource, context) {
    const { path, values } = resource;
    const merged =
      context === undefined ? undefined : merge(resource, context.facts, context.owned);
    const keys = Object.keys(values).filter((key) => merged?.respected.includes(key) !== true);
    return {
      kind: "json-file",
      name: path,
      path,
      values: Object.fromEntries(keys.map((key) => [key, values[key]])),
      keys,
      ...(merged === undefined ? {} : { wrote: hashText(merged.next) }),
    };
  },

  removesOwnPart: true,
  removalNeeds: (owned) => [
    need(fileFacts, String(owned["path"])),
    need(textFacts, String(owned["path"])),
  ],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    const fact = facts.get(fileFacts, path);
    if (!context.isUnfinished && fact === undefined) return undefined;
    const [other] = othersWith(neighboursOf(facts, context.stackDirectory), idOf(owned));
    if (other !== undefined) {
      const { stack } = other.neighbour;
      return removeByScript(
        owned,
        `leave ${path} to stack ${stack}`,
        handOver(preimagePath(path, context.stackDirectory), stack),
        `stack ${stack} has it too`,
      );
    }
    const present = parseObject(facts.get(textFacts, path) ?? "");
    // As hostkit left it, or from a hostkit that did not note what it wrote.
    if (
      owned["wrote"] === undefined ||
      owned["wrote"] === fact?.sha256 ||
      present === undefined ||
      fact === undefined
    )
      return removeByScript(owned, `restore ${path}`, restoreScript(path, context));
    return takeKeysOut(owned, present, { ...fact, path }, context);
  },
};

/** Somebody else has changed the file since: only the values that are still hostkit's go. */
function takeKeysOut(
  owned: Owned,
  present: JsonObject,
  { path, mode, owner, group }: FileFact & { readonly path: string },
  context: Pick<DiffContext, "stackDirectory">,
): Change {
  const values = owned["values"] as JsonObject;
  const rest = Object.entries(present).filter(
    ([key, value]) => !(key in values) || JSON.stringify(value) !== JSON.stringify(values[key]),
  );
  const removal = removeByScript(
    owned,
    `take hostkit's keys out of ${path}`,
    joinScripts([
      sh`rm -f ${preimagePath(path, context.stackDirectory)}`,
      rest.length === 0 ? sh`rm -f ${path}` : sh``,
    ]),
  );
  if (rest.length === 0) return removal;
  const text = `${JSON.stringify(Object.fromEntries(rest), undefined, 2)}\n`;
  const file = { path, content: { text }, mode, owner, group };
  return { ...removal, steps: [putStep(file, { isOwned: true })] };
}

function checkSteps({ path, check, former }: JsonFileResource, next: string): Change["steps"] {
  if (check === undefined && former === undefined) return [];
  const keep =
    former === undefined
      ? sh``
      : sh`former="$HOSTKIT_STACK_DIRECTORY"/${former}
# After a run that was cut short behind the write, what is kept is the one before.
if ! cmp -s next ${path}; then
  rm -rf "$former"
  mkdir -p "$former"
  hk_keep ${path} "$former/file"
fi`;
  return [
    { type: "upload", as: "next", content: { text: next } },
    { type: "script", title: `check ${path}`, script: joinScripts([check ?? sh``, keep]) },
  ];
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === "" ? "{}" : text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}
