import type { Manifest } from "../manifest/schema.ts";
import type { ResourceId } from "../resources/resource.ts";
import { emptySection } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";

/**
 * The last resource of a database: whoever waits for it may log in as its role.
 * @param databaseName a name of `manifest.database.databases`
 */
export function databaseReadyId(_manifest: Manifest, databaseName: string): ResourceId {
  return `postgres-grants:${databaseName}`;
}

/** The `database` section: PostgreSQL of the distribution, roles, databases, migrations, grants. */
export function resolveDatabase(_inputs: StackInputs): Section {
  return emptySection;
}
