import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { diffLines } from "./difference.ts";
import { putStep } from "./file.ts";
import { restoreScript } from "./preimage.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Resource, ResourceKind } from "./resource.ts";

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Keys in a JSON file that others may have written to as well: theirs stay, ours have these values. */
export interface JsonFileResource extends Resource {
  readonly kind: "json-file";
  readonly path: string;
  readonly values: Readonly<Record<string, Json>>;
}

/** Builds a JSON file resource; its name is the path. */
export function jsonFile(
  path: string,
  values: JsonFileResource["values"],
  after?: JsonFileResource["after"],
): JsonFileResource {
  return { kind: "json-file", name: path, path, values, ...(after === undefined ? {} : { after }) };
}

export const jsonFileKind: ResourceKind<JsonFileResource> = {
  kind: "json-file",
  needs: (resource) => [need(textFacts, resource.path), need(fileFacts, resource.path)],

  diff(resource, facts, context): Change | undefined {
    const { path, values } = resource;
    const text = facts.get(textFacts, path);
    const present = parseObject(text ?? "{}");
    const wrong = Object.keys(values).filter(
      (key) => JSON.stringify(present?.[key]) !== JSON.stringify(values[key]),
    );
    const reasons: string[] = [];
    if (text === undefined) reasons.push("does not exist");
    else if (present === undefined) reasons.push("is not a JSON object");
    else if (wrong.length > 0) reasons.push(`differs in ${wrong.join(", ")}`);
    if (reasons.length === 0) return undefined;
    const next = `${JSON.stringify({ ...present, ...values }, undefined, 2)}\n`;
    return {
      id: idOf(resource),
      action: text === undefined ? "create" : "update",
      because: reasons.join(", "),
      difference: diffLines(text ?? "", next),
      steps: [
        putStep(
          { path, content: { text: next }, mode: "0644", owner: "root", group: "root" },
          context,
        ),
      ],
    };
  },

  own: (resource) => ({ kind: "json-file", name: resource.path, path: resource.path }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    return removeByScript(owned, `restore ${path}`, restoreScript(path, context));
  },
};

function parseObject(text: string): Readonly<Record<string, Json>> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === "" ? "{}" : text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, Json>)
      : undefined;
  } catch {
    return undefined;
  }
}
