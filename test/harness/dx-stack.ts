import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { parseManifest } from "../../src/manifest/parse.ts";

/** Where the DX Cluster stack is. */
export const stackFolder = path.resolve(import.meta.dirname, "../../templates/stacks/dxcluster");

const text = readFileSync(path.join(stackFolder, "hostkit.yaml"), "utf8");

/** What the stack's manifest grants to a role, as SQL: tests have what users have, and no more. */
export function grantsOf(role: string): string {
  const { manifest } = parseManifest(text, "hostkit.yaml");
  const grants = manifest?.database?.roles.find(({ name }) => name === role)?.grants ?? [];
  if (grants.length === 0) throw new Error(`the manifest grants nothing to ${role}`);
  return grants
    .map(({ on, privileges }) => {
      if (on.kind !== "tables") throw new Error(`${role}: more than tables`);
      return `grant ${privileges.join(", ")} on ${on.names.join(", ")} to ${role};`;
    })
    .join("\n");
}

/** The manifest's `database` section with these roles only. */
export function databaseSection(...roles: readonly string[]): object {
  const { database } = parse(text) as { database: { roles: Record<string, unknown> } };
  const some = Object.fromEntries(roles.map((role) => [role, database.roles[role]]));
  return { ...database, roles: some };
}
