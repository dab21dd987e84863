import type { Facts } from "../../facts/fact.ts";
import { hashSecret } from "../../facts/files/hash.ts";
import { secretSourceOf } from "../../facts/files/secret-bytes.ts";
import type { Step } from "../../resources/resource.ts";
import type { PlannedChange } from "../types.ts";

/** The same change, with the names of secrets added that lie in files of their own; never a value. */
export function nameSecretFiles(change: PlannedChange, facts: Facts): PlannedChange {
  if (change.action === "create" || change.action === "delete") return change;
  const lines = change.steps.flatMap((step) => compare(change, step, facts));
  return lines.length === 0
    ? change
    : { ...change, variables: [...(change.variables ?? []), ...lines] };
}

/** Environment files are compared name by name. */
function compare({ insteadOf }: PlannedChange, step: Step, facts: Facts): string[] {
  if (step.type !== "put" || !("secret" in step.content) || step.path.endsWith(".env")) return [];
  const { secret } = step.content;
  const now = insteadOf?.[step.path] ?? step.path;
  const fact = facts.get(secretSourceOf(secret), now);
  const name = step.path.slice(step.path.lastIndexOf("/") + 1);
  if (fact === undefined) return [`+ ${name} (secret)`];
  return fact.hash === hashSecret(fact.key, secret) ? [] : [`~ ${name} (secret, another value)`];
}
