import type { Facts } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { findService } from "../../manifest/services.ts";
import type { Plan, PlannedChange } from "../types.ts";
import { countThings } from "./words.ts";

/** What backups bring back onto the host. */
export function listRestores({ changes }: Pick<Plan, "changes">): string[] {
  const subjects: Readonly<Record<string, string>> = {
    "restored-cluster": "the databases",
    "restored-files": "files and volumes",
  };
  return changes.flatMap(({ kind = "", because }) =>
    subjects[kind] === undefined ? [] : [`${subjects[kind]} (${because})`],
  );
}

/** What somebody would miss by its name. */
const namedKinds: ReadonlySet<string> = new Set([
  ...["release", "unit", "target", "volume", "postgres-database", "postgres-role", "nftables"],
]);

/** What is no longer wanted: what was running by its name, the rest by number. */
export function listRemoved({ changes }: Pick<Plan, "changes">): string[] {
  const removed = changes.filter(({ action }) => action === "delete");
  const isNamed = ({ kind = "" }: PlannedChange): boolean => namedKinds.has(kind);
  const named = removed.filter(isNamed).map(({ id, name }) => name ?? id);
  const counted = countThings(removed.filter((change) => !isNamed(change)));
  return [...named, ...(counted === "" ? [] : [counted])];
}

/** Files that were there before hostkit, with another content. */
export function listReplaced({ changes }: Pick<Plan, "changes">, facts: Facts): string[] {
  return changes
    .filter(({ because }) => /content differs|, should be a file/.test(because))
    .flatMap(({ steps }) => steps)
    .flatMap((step) => (step.type === "put" && step.preimage === true ? [step.path] : []))
    .filter((path) => facts.get(fileFacts, path) !== undefined);
}

/** What no later run takes back. */
export function listFinal({ changes }: Pick<Plan, "changes">, manifest: Manifest): string[] {
  return changes.flatMap((change) => [
    ...describeMigrations(change),
    ...describeHooks(change, manifest),
  ]);
}

function describeMigrations({ kind, name, because, refusal }: PlannedChange): string[] {
  if (kind !== "postgres-migrations" || refusal !== undefined) return [];
  const files = because
    .replace(/^not applied: /, "")
    .replaceAll(/ \([^)]*\)/g, "")
    .split(", ");
  const what = files.length === 1 ? "migration" : `${files.length} migrations`;
  const which = files.length === 1 ? files[0] : `up to ${files.at(-1)}`;
  return [`${what} of ${name}, ${which}`];
}

/** A program of the user's own may do anything to the data. */
function describeHooks(
  { kind, name = "", action, steps }: PlannedChange,
  manifest: Manifest,
): string[] {
  if (kind !== "release" || action === "delete") return [];
  const service = findService(manifest, name);
  const runs = (name: string): boolean =>
    steps.some((step) => step.type === "script" && step.title.startsWith(`run ${name} `));
  return [
    ...(service?.preDeploy !== undefined && runs("pre_deploy") ? ["pre_deploy"] : []),
    ...(service?.postDeploy !== undefined && runs("post_deploy") ? ["post_deploy"] : []),
  ].map((hook) => `what ${hook} of ${service?.name} does`);
}

/** What the host takes back by itself. */
export function listGuarded({ changes }: Pick<Plan, "changes">): string[] {
  return changes.flatMap(({ id, kind, guard }) =>
    guard === undefined ? [] : [kind === "nftables" ? "firewall" : kind === "sshd" ? kind : id],
  );
}
