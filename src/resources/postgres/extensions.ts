import { need } from "../../facts/fact.ts";
import { postgresContentFacts, postgresContentSubject } from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier } from "../../facts/postgres/sql.ts";
import { idOf } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** Extensions of one database, made by the superuser. None is ever dropped: data may hang on them. */
export interface PostgresExtensionsResource extends Resource {
  readonly kind: "postgres-extensions";
  readonly major: number;
  readonly extensions: readonly string[];
}

/** Builds an extensions resource; `name` is the database's. */
export function postgresExtensions(
  name: string,
  options: Omit<PostgresExtensionsResource, "kind" | "name">,
): PostgresExtensionsResource {
  return { kind: "postgres-extensions", name, ...options };
}

export const postgresExtensionsKind: ResourceKind<PostgresExtensionsResource> = {
  kind: "postgres-extensions",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [
    need(postgresContentFacts, postgresContentSubject(resource.major, resource.name)),
  ],

  diff(resource, facts): Change | undefined {
    const { name, major, extensions } = resource;
    const present = facts.get(
      postgresContentFacts,
      postgresContentSubject(major, name),
    )?.extensions;
    const missing = extensions.filter((extension) => present?.[extension] === undefined);
    if (missing.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: "create",
      because: `missing: ${missing.join(", ")}`,
      steps: [
        {
          type: "script",
          title: `create extension ${missing.join(", ")} in ${name}`,
          script: psqlScript(major, name, ["-1"]),
          stdin: {
            text: missing
              .map((extension) => `create extension if not exists ${quoteIdentifier(extension)};\n`)
              .join(""),
          },
        },
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};
