import { need } from "../../facts/fact.ts";
import { postgresFacts } from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier, quoteLiteral } from "../../facts/postgres/sql.ts";
import { sh } from "../../shell/script.ts";
import { claimAlone, idOf, idsOf, makeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A PostgreSQL role without any power of its own: what it may do is in the grants. */
export interface PostgresRoleResource extends Resource {
  readonly kind: "postgres-role";
  readonly major: number;
  readonly login: boolean;
  /** -1: no limit. */
  readonly connectionLimit: number;
  /** True for a role that logs in by TCP (`postgres-password`); no other has one. */
  readonly hasPassword: boolean;
}

/** Builds a role resource. */
export function postgresRole(
  name: string,
  options: Omit<PostgresRoleResource, "kind" | "name">,
): PostgresRoleResource {
  return { kind: "postgres-role", name, ...options };
}

/** The id of a resource of this kind by its name. */
export const postgresRoleId = idsOf("postgres-role");

export const postgresRoleKind: ResourceKind<PostgresRoleResource> = {
  kind: "postgres-role",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [need(postgresFacts, String(resource.major))],

  diff(resource, facts): Change | undefined {
    const cluster = facts.get(postgresFacts, String(resource.major));
    const fact = cluster?.roles[resource.name];
    const reasons: string[] = [];
    if (cluster === undefined) reasons.push("PostgreSQL does not answer yet");
    else if (fact === undefined) reasons.push("does not exist");
    else {
      if (fact.login !== resource.login)
        reasons.push(resource.login ? "may not log in" : "may log in, should not");
      if (fact.powers.length > 0) reasons.push(`has ${fact.powers.join(", ")}`);
      if (fact.hasPassword && !resource.hasPassword) reasons.push("has a password");
      if (fact.connectionLimit !== resource.connectionLimit)
        reasons.push(
          `connection limit is ${fact.connectionLimit}, should be ${resource.connectionLimit}`,
        );
    }
    if (reasons.length === 0) return undefined;
    const role = quoteIdentifier(resource.name);
    const sql = `select ${quoteLiteral(`create role ${role}`)}
where not exists (select from pg_roles where rolname = ${quoteLiteral(resource.name)}) \\gexec
alter role ${role} ${resource.login ? "login" : "nologin"} nosuperuser nocreatedb nocreaterole noreplication nobypassrls
  connection limit ${resource.connectionLimit}${resource.hasPassword ? "" : " password null"};
`;
    return makeByScript(resource, fact !== undefined, reasons.join("; "), {
      title: `${fact === undefined ? "create" : "change"} role ${resource.name}`,
      script: psqlScript(resource.major),
      stdin: { text: sql },
    });
  },

  claims: (resource) => [claimAlone(resource)],

  own: (resource) => ({ kind: "postgres-role", name: resource.name, major: resource.major }),
  removalNeeds: (owned) => [need(postgresFacts, String(owned["major"]))],

  /** Without `deleteData` a role stays, because data may belong to it, but nobody can log in as it any more. */
  remove(owned, facts, context): Change | undefined {
    const major = Number(owned["major"]);
    const cluster = facts.get(postgresFacts, String(major));
    const fact = cluster?.roles[owned.name];
    if (cluster === undefined || fact === undefined) return undefined;
    if (!context.deleteData && !fact.login) return undefined;
    const role = quoteIdentifier(owned.name);
    const drop = Object.keys(cluster.databases).map(
      (database) =>
        sh`if ${psqlScript(major, "postgres", ["-c", `select 1 from pg_database where datname = ${quoteLiteral(database)}`])} | grep -q 1; then
  ${psqlScript(major, database, ["-c", `reassign owned by ${role} to postgres`, "-c", `drop owned by ${role}`])}
fi`,
    );
    const script = context.deleteData
      ? {
          text: [
            ...drop.map((part) => part.text),
            psqlScript(major, "postgres", ["-c", `drop role if exists ${role}`]).text,
          ].join("\n"),
        }
      : psqlScript(major, "postgres", ["-c", `alter role ${role} nologin`]);
    return {
      id: idOf(owned),
      action: context.deleteData ? "delete" : "update",
      because: "no longer in the manifest",
      steps: [
        {
          type: "script",
          title: context.deleteData ? `drop role ${owned.name}` : `lock role ${owned.name}`,
          script,
        },
      ],
    };
  },
};
