import type {
  PostgresContentFact,
  PostgresDatabaseFact,
  PostgresGrants,
} from "../../facts/postgres/postgres.ts";
import { privilegesOf } from "./grant-sql.ts";
import type { PostgresGrantsResource, RoleGrant } from "./grant.ts";

/** What each managed role may do to one object: wanted by the manifest, found on the host. */
type Wanted = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * One line for each difference: "dx_reader lacks select on public.dx_spots".
 * @param version server_version_num
 */
export function findGrantDifferences(
  resource: PostgresGrantsResource,
  version: number,
  database: PostgresDatabaseFact,
  content: PostgresContentFact,
): string[] {
  return new Comparison(resource, version, content).run(database);
}

/** One look at a database: what its roles should be able to do, against what they can. */
class Comparison {
  readonly #resource: PostgresGrantsResource;
  readonly #content: PostgresContentFact;
  readonly #major: number;
  readonly #found: string[] = [];

  constructor(resource: PostgresGrantsResource, version: number, content: PostgresContentFact) {
    this.#resource = resource;
    this.#content = content;
    this.#major = Math.floor(version / 10_000);
  }

  run(database: PostgresDatabaseFact): string[] {
    this.#compareDatabase(database);
    const inSchemas = this.#resource.grants.filter(({ on }) => on.kind !== "database");
    const schemas = new Set([
      ...Object.keys(this.#content.schemas),
      ...inSchemas.map(({ schema }) => schema),
    ]);
    for (const schema of [...schemas].sort()) {
      const inside = inSchemas.filter((grant) => grant.schema === schema);
      this.#compareSchema(schema, inside);
    }
    return this.#found;
  }

  #compareDatabase({ grants }: PostgresDatabaseFact): void {
    const { name, connect } = this.#resource;
    const wanted = this.#collect(this.#pick("database"));
    for (const role of connect) wanted.set(role, new Set([...(wanted.get(role) ?? []), "connect"]));
    this.#compare(`database ${name}`, wanted, grants);
    if ((grants[""] ?? []).length > 0)
      this.#found.push(`everybody may ${grants[""]?.join(", ")} on database ${name}`);
  }

  /** @param inside grants in this schema */
  #compareSchema(schema: string, inside: readonly RoleGrant[]): void {
    const actual = this.#content.schemas[schema];
    if (actual === undefined) {
      this.#found.push(`there is no schema ${schema} yet`);
      return;
    }
    const wanted = this.#collect(this.#pick("schema", schema));
    for (const { role } of inside)
      wanted.set(role, new Set([...(wanted.get(role) ?? []), "usage"]));
    this.#compare(`schema ${schema}`, wanted, actual);
    if (actual[""]?.includes("create") === true)
      this.#found.push(`everybody may create in schema ${schema}`);
    this.#compareRelations(schema);
    this.#compareFunctions(schema);
    this.#compareDefaults(schema);
  }

  #compareRelations(schema: string): void {
    const groups = this.#content.relations.filter((group) => group.schema === schema);
    const tables = new Set(
      groups.filter((group) => group.kind === "table").flatMap((group) => group.names),
    );
    const named = this.#pick("tables", schema);
    for (const name of new Set(named.flatMap(namesOf)))
      if (!tables.has(name)) this.#found.push(`there is no table ${schema}.${name} yet`);
    for (const { kind, names, grants } of groups) {
      for (const name of names) {
        const wanted =
          kind === "sequence"
            ? this.#pick("all sequences", schema)
            : [
                ...this.#pick("all tables", schema),
                ...named.filter((grant) => namesOf(grant).includes(name)),
              ];
        this.#compare(`${schema}.${name}`, this.#collect(wanted), grants);
      }
    }
  }

  #compareFunctions(schema: string): void {
    const fact = this.#content.functions[schema];
    const wanted = this.#collect(this.#pick("all functions", schema));
    for (const role of this.#resource.roles) {
      const should = wanted.has(role) ? (fact?.count ?? 0) : 0;
      const is = fact?.granted[role] ?? 0;
      if (is !== should)
        this.#found.push(
          `${role} may execute ${is} functions of schema ${schema}, should be ${should}`,
        );
    }
  }

  #compareDefaults(schema: string): void {
    const { owner } = this.#resource;
    for (const kind of ["table", "sequence", "function"] as const) {
      const actual = this.#content.defaults.find(
        (entry) => entry.owner === owner && entry.schema === schema && entry.kind === kind,
      );
      this.#compare(
        `new ${kind}s of schema ${schema}`,
        this.#collect(this.#pick(`all ${kind}s`, schema)),
        actual?.grants ?? {},
      );
    }
  }

  #compare(object: string, wanted: Wanted, actual: PostgresGrants): void {
    for (const role of this.#resource.roles) {
      const wish = wanted.get(role) ?? new Set();
      const fact = new Set(actual[role] ?? []);
      const missing = [...wish].filter((privilege) => !fact.has(privilege));
      const surplus = [...fact].filter((privilege) => !wish.has(privilege));
      if (missing.length > 0) this.#found.push(`${role} lacks ${missing.join(", ")} on ${object}`);
      if (surplus.length > 0)
        this.#found.push(`${role} should not have ${surplus.join(", ")} on ${object}`);
    }
  }

  #pick(kind: RoleGrant["on"]["kind"], schema?: string): RoleGrant[] {
    return this.#resource.grants.filter(
      (grant) => grant.on.kind === kind && (schema === undefined || grant.schema === schema),
    );
  }

  #collect(grants: readonly RoleGrant[]): Map<string, Set<string>> {
    const wanted = new Map<string, Set<string>>();
    for (const grant of grants) {
      const set = wanted.get(grant.role) ?? new Set();
      for (const privilege of privilegesOf(grant, this.#major)) set.add(privilege);
      wanted.set(grant.role, set);
    }
    return wanted;
  }
}

/** The reasons in one line, the first few of them. */
export function describeGrants(reasons: readonly string[], limit = 4): string {
  const shown = reasons.slice(0, limit).join("; ");
  return reasons.length > limit ? `${shown}; and ${reasons.length - limit} more` : shown;
}

function namesOf(grant: RoleGrant): readonly string[] {
  return grant.on.kind === "tables" ? grant.on.names : [];
}
