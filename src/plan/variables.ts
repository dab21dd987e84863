import { hashText } from "../facts/files/hash.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { variableFacts } from "../facts/files/variables.ts";
import type { Plan, PlannedChange } from "./types.ts";

/** An environment file that a change writes, and the one that holds now. */
interface EnvironmentFile {
  readonly now: string;
  readonly text: string;
}

function environmentFilesOf(change: PlannedChange): EnvironmentFile[] {
  if (change.action === "create" || change.action === "delete") return [];
  return change.steps.flatMap((step) => {
    if (step.type !== "put" || !step.path.endsWith(".env")) return [];
    const { content } = step;
    const text =
      "secret" in content ? content.secret : "text" in content ? content.text : undefined;
    if (typeof text !== "string") return [];
    return [{ now: change.insteadOf?.[step.path] ?? step.path, text }];
  });
}

/** What has to be asked to name the variables that a plan changes. */
export function listVariableNeeds(plan: Plan): FactNeed[] {
  const paths = plan.changes.flatMap(environmentFilesOf).map(({ now }) => now);
  return [...new Set(paths)].map((path) => need(variableFacts, path));
}

/** The same plan, with the names of variables that it adds (+), changes (~) and takes away (-); never a value. */
export function nameVariables(plan: Plan, facts: Facts): Plan {
  const changes = plan.changes.map((change): PlannedChange => {
    const lines = environmentFilesOf(change).flatMap((file) => compareVariables(file, facts));
    return lines.length === 0
      ? change
      : { ...change, variables: lines, difference: [...lines, ...(change.difference ?? [])] };
  });
  return { ...plan, changes };
}

function compareVariables({ now, text }: EnvironmentFile, facts: Facts): string[] {
  const fact = facts.get(variableFacts, now);
  if (fact === undefined) return [];
  const wanted = splitVariables(text);
  const lines = [...wanted].flatMap(([name, written]): [string, string][] => {
    const before = fact.hashes[name];
    if (before === undefined) return [[name, `+ ${name}`]];
    return before === hashVariable(fact.key, written) ? [] : [[name, `~ ${name} (another value)`]];
  });
  const gone = Object.keys(fact.hashes)
    .filter((name) => !wanted.has(name))
    .map((name): [string, string] => [name, `- ${name}`]);
  return [...lines, ...gone]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([, line]) => line);
}

/** A variable's lines as they stand in the file, hashed as the host does. */
export function hashVariable(key: string, written: string): string {
  return hashText(`${key}\n${written}`);
}

/** A value of several lines belongs to the name before it. */
export function splitVariables(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let name: string | undefined;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const first = /^([A-Za-z_][A-Za-z0-9_.-]*)=/.exec(line)?.[1];
    if (first !== undefined) {
      name = first;
      found.set(name, line);
    } else if (name !== undefined) {
      found.set(name, `${found.get(name) ?? ""}\n${line}`);
    }
  }
  return found;
}
