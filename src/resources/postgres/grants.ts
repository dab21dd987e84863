import { need } from "../../facts/fact.ts";
import {
  postgresContentFacts,
  postgresContentSubject,
  postgresFacts,
} from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { describeGrants, findGrantDifferences } from "./grant-difference.ts";
import type { PostgresGrantsResource } from "./grant.ts";
import { renderGrants } from "./grant-sql.ts";
import { idOf, idsOf } from "../resource.ts";
import type { Change, ResourceKind } from "../resource.ts";
import { postgresMigrationsId } from "./migrations.ts";

/** Builds a grants resource; `name` is the database's. */
export function postgresGrants(
  name: string,
  options: Omit<PostgresGrantsResource, "kind" | "name">,
): PostgresGrantsResource {
  return { kind: "postgres-grants", name, ...options };
}

/** The id of a resource of this kind by its name. */
export const postgresGrantsId = idsOf("postgres-grants");

export const postgresGrantsKind: ResourceKind<PostgresGrantsResource> = {
  kind: "postgres-grants",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [
    need(postgresFacts, String(resource.major)),
    need(postgresContentFacts, postgresContentSubject(resource.major, resource.name)),
  ],

  diff(resource, facts, context): Change | undefined {
    const { name, major } = resource;
    const cluster = facts.get(postgresFacts, String(major));
    const content = facts.get(postgresContentFacts, postgresContentSubject(major, name));
    const database = cluster?.databases[name];
    const migrations = postgresMigrationsId(name);
    const reasons =
      cluster === undefined || database === undefined || content === undefined
        ? ["not granted yet"]
        : findGrantDifferences(resource, cluster.version, database, content);
    if (reasons.length === 0 && context.changed.has(migrations))
      reasons.push("migrations may bring new objects");
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: database === undefined ? "create" : "update",
      because: describeGrants(reasons),
      steps: [
        {
          type: "script",
          title: `grant and revoke in ${name}`,
          script: psqlScript(major, name, ["-1"]),
          stdin: { text: renderGrants(resource) },
        },
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};
