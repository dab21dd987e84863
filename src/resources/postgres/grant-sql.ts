import { quoteIdentifier, quoteLiteral } from "../../facts/postgres/sql.ts";
import type { PostgresGrantsResource, RoleGrant } from "./grant.ts";

/** What ALL means, by kind of object (PostgreSQL manual, table 5.2); MAINTAIN came with 17. */
const everything: Readonly<Record<RoleGrant["on"]["kind"], readonly string[]>> = {
  tables: ["delete", "insert", "maintain", "references", "select", "trigger", "truncate", "update"],
  "all tables": [
    "delete",
    "insert",
    "maintain",
    "references",
    "select",
    "trigger",
    "truncate",
    "update",
  ],
  "all sequences": ["select", "update", "usage"],
  "all functions": ["execute"],
  schema: ["create", "usage"],
  database: ["connect", "create", "temporary"],
};

/** The privileges of a grant one by one, `all` taken apart as the server's version has it. */
export function privilegesOf(grant: RoleGrant, major: number): readonly string[] {
  const list = grant.privileges[0] === "all" ? everything[grant.on.kind] : grant.privileges;
  return major >= 17 ? list : list.filter((privilege) => privilege !== "maintain");
}

/**
 * SQL that makes the managed roles' privileges exactly these, whatever they were: everything is revoked and granted anew
 * in one transaction, so that nobody sees the moment in between. `psql -1` brings the transaction.
 */
export function renderGrants(resource: PostgresGrantsResource): string {
  const database = quoteIdentifier(resource.name);
  const owner = quoteIdentifier(resource.owner);
  const roles = resource.roles.map(quoteIdentifier).join(", ");
  const lines = [
    "set local lock_timeout = '30s';",
    "set local client_min_messages = warning;",
    `revoke all on database ${database} from public;`,
  ];
  if (roles !== "") {
    lines.push(
      `revoke all on database ${database} from ${roles};`,
      revokeInside(resource.owner, roles),
    );
  }
  lines.push(
    "revoke create on schema public from public;",
    `grant create, usage on schema public to ${owner};`,
  );
  if (resource.connect.length > 0)
    lines.push(
      `grant connect on database ${database} to ${resource.connect.map(quoteIdentifier).join(", ")};`,
    );
  for (const grant of resource.grants) lines.push(...renderGrant(grant, resource, owner));
  return `${lines.join("\n")}\n`;
}

/** Schemas are found on the host: a role may have been given something in one that the manifest never names. */
function revokeInside(owner: string, roles: string): string {
  const statements = [
    "revoke all on all tables in schema %1$I from %2$s",
    "revoke all on all sequences in schema %1$I from %2$s",
    "revoke all on all routines in schema %1$I from %2$s",
    "revoke all on schema %1$I from %2$s",
    "alter default privileges for role %3$I in schema %1$I revoke all on tables from %2$s",
    "alter default privileges for role %3$I in schema %1$I revoke all on sequences from %2$s",
    "alter default privileges for role %3$I in schema %1$I revoke all on routines from %2$s",
  ];
  return `do $revoke$
declare
  found name;
  statement text;
begin
  for found in select nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'hostkit')
  loop
    foreach statement in array array[
      ${statements.map(quoteLiteral).join(",\n      ")}]
    loop
      execute format(statement, found, ${quoteLiteral(roles)}, ${quoteLiteral(owner)});
    end loop;
  end loop;
end
$revoke$;`;
}

function renderGrant(grant: RoleGrant, resource: PostgresGrantsResource, owner: string): string[] {
  const role = quoteIdentifier(grant.role);
  const schema = quoteIdentifier(grant.schema);
  const what = privilegesOf(grant, resource.major).join(", ");
  const usage = `grant usage on schema ${schema} to ${role};`;
  const { on } = grant;
  switch (on.kind) {
    case "database":
      return [`grant ${what} on database ${quoteIdentifier(resource.name)} to ${role};`];
    case "schema":
      return [usage, `grant ${what} on schema ${schema} to ${role};`];
    case "tables":
      return [
        usage,
        ...on.names.map(
          (name) => `grant ${what} on table ${schema}.${quoteIdentifier(name)} to ${role};`,
        ),
      ];
    case "all tables":
    case "all sequences":
    case "all functions": {
      const objects = on.kind === "all functions" ? "routines" : on.kind.slice("all ".length);
      return [
        usage,
        `grant ${what} on all ${objects} in schema ${schema} to ${role};`,
        `alter default privileges for role ${owner} in schema ${schema} grant ${what} on ${objects} to ${role};`,
      ];
    }
  }
}
