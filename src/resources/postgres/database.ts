import { need } from "../../facts/fact.ts";
import { postgresFacts } from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier, quoteLiteral } from "../../facts/postgres/sql.ts";
import { sh } from "../../shell/script.ts";
import { claimAlone, idOf, makeByScript, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A database that only its owner, and whoever was granted it, may connect to. */
export interface PostgresDatabaseResource extends Resource {
  readonly kind: "postgres-database";
  readonly major: number;
  readonly owner: string;
  /** Fixed when the database is made, like `locale`. */
  readonly encoding: string;
  readonly locale: string;
}

/** Builds a database resource. */
export function postgresDatabase(
  name: string,
  options: Omit<PostgresDatabaseResource, "kind" | "name">,
): PostgresDatabaseResource {
  return { kind: "postgres-database", name, ...options };
}

export const postgresDatabaseKind: ResourceKind<PostgresDatabaseResource> = {
  kind: "postgres-database",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [need(postgresFacts, String(resource.major))],

  diff(resource, facts): Change | undefined {
    const { name, major, owner, encoding, locale } = resource;
    const cluster = facts.get(postgresFacts, String(major));
    const fact = cluster?.databases[name];
    const fixed: string[] = [];
    const reasons: string[] = [];
    if (cluster === undefined) reasons.push("PostgreSQL does not answer yet");
    else if (fact === undefined) reasons.push("does not exist");
    else {
      if (fact.owner !== owner) reasons.push(`owner is ${fact.owner}, should be ${owner}`);
      if ((fact.grants[""] ?? []).length > 0) reasons.push("everybody may connect");
      if (fact.encoding.toUpperCase() !== encoding.toUpperCase())
        fixed.push(`encoding is ${fact.encoding}, should be ${encoding}`);
      if (sortableLocale(fact.locale) !== sortableLocale(locale))
        fixed.push(`locale is ${fact.locale}, should be ${locale}`);
    }
    if (fixed.length > 0) return refuse(resource, fixed);
    if (reasons.length === 0) return undefined;
    const database = quoteIdentifier(name);
    const create = `create database ${database} owner ${quoteIdentifier(owner)} template template0 encoding ${quoteLiteral(encoding)} locale ${quoteLiteral(locale)}`;
    const sql = `select ${quoteLiteral(create)}
where not exists (select from pg_database where datname = ${quoteLiteral(name)}) \\gexec
alter database ${database} owner to ${quoteIdentifier(owner)};
revoke all on database ${database} from public;
`;
    return makeByScript(resource, fact !== undefined, reasons.join("; "), {
      title: `${fact === undefined ? "create" : "change"} database ${name}`,
      script: psqlScript(major),
      stdin: { text: sql },
    });
  },

  claims: (resource) => [claimAlone(resource)],

  own: (resource) => ({ kind: "postgres-database", name: resource.name, major: resource.major }),
  removalNeeds: (owned) => [need(postgresFacts, String(owned["major"]))],

  remove(owned, facts, context): Change | undefined {
    const major = Number(owned["major"]);
    if (!context.deleteData) return undefined;
    if (facts.get(postgresFacts, String(major))?.databases[owned.name] === undefined)
      return undefined;
    return removeByScript(
      owned,
      `drop database ${owned.name}`,
      psqlScript(major, "postgres", [
        "-c",
        `drop database if exists ${quoteIdentifier(owned.name)} with (force)`,
      ]),
      "its data is to be deleted",
    );
  },
};

/** What was fixed at creation cannot be changed without a dump and a restore: nobody does that behind the user's back. */
function refuse(resource: PostgresDatabaseResource, fixed: readonly string[]): Change {
  const why = fixed.join("; ");
  return {
    id: idOf(resource),
    action: "update",
    because: `${why}; this cannot be changed in place`,
    steps: [
      {
        type: "script",
        title: `compare database ${resource.name}`,
        script: sh`echo ${`database ${resource.name}: ${why}. Dump it, drop it and restore it, or write its present value into the manifest.`} >&2
exit 1`,
      },
    ],
  };
}

/** `C.UTF-8` and `C.utf8` are one locale. */
function sortableLocale(locale: string): string {
  return locale.toLowerCase().replaceAll("-", "");
}
