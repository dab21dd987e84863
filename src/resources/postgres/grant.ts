import type { Resource } from "../resource.ts";

/** One line of the manifest's grants, for one role. */
export interface RoleGrant {
  readonly role: string;
  readonly schema: string;
  readonly on:
    | { readonly kind: "tables"; readonly names: readonly string[] }
    | { readonly kind: "all tables" | "all sequences" | "all functions" | "schema" | "database" };
  /** Lower case; `["all"]` stands alone. */
  readonly privileges: readonly string[];
}

/**
 * Exactly what the managed roles may do in one database: what is missing is granted, what is too much is revoked.
 * Other roles' privileges are left alone, but PUBLIC may neither connect nor create.
 */
export interface PostgresGrantsResource extends Resource {
  readonly kind: "postgres-grants";
  readonly major: number;
  readonly owner: string;
  /** Every role of the manifest but the owner, sorted. */
  readonly roles: readonly string[];
  /** Roles that may connect. */
  readonly connect: readonly string[];
  readonly grants: readonly RoleGrant[];
}
