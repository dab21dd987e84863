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
  const found: string[] = [];
  const compare = (object: string, wanted: Wanted, actual: PostgresGrants): void => {
    for (const role of resource.roles) {
      const wish = wanted.get(role) ?? new Set();
      const fact = new Set(actual[role] ?? []);
      const missing = [...wish].filter((privilege) => !fact.has(privilege));
      const surplus = [...fact].filter((privilege) => !wish.has(privilege));
      if (missing.length > 0) found.push(`${role} lacks ${missing.join(", ")} on ${object}`);
      if (surplus.length > 0)
        found.push(`${role} should not have ${surplus.join(", ")} on ${object}`);
    }
  };
  const major = Math.floor(version / 10_000);
  const pick = (kind: RoleGrant["on"]["kind"], schema?: string): RoleGrant[] =>
    resource.grants.filter(
      (grant) => grant.on.kind === kind && (schema === undefined || grant.schema === schema),
    );
  const collect = (grants: readonly RoleGrant[]): Map<string, Set<string>> => {
    const wanted = new Map<string, Set<string>>();
    for (const grant of grants) {
      const set = wanted.get(grant.role) ?? new Set();
      for (const privilege of privilegesOf(grant, major)) set.add(privilege);
      wanted.set(grant.role, set);
    }
    return wanted;
  };

  const wantedOnDatabase = collect(pick("database"));
  for (const role of resource.connect)
    wantedOnDatabase.set(role, new Set([...(wantedOnDatabase.get(role) ?? []), "connect"]));
  compare(`database ${resource.name}`, wantedOnDatabase, database.grants);
  if ((database.grants[""] ?? []).length > 0)
    found.push(`everybody may ${database.grants[""]?.join(", ")} on database ${resource.name}`);

  const schemas = new Set([
    ...Object.keys(content.schemas),
    ...resource.grants.filter((grant) => grant.on.kind !== "database").map((grant) => grant.schema),
  ]);
  for (const schema of [...schemas].sort()) {
    const actual = content.schemas[schema];
    if (actual === undefined) {
      found.push(`there is no schema ${schema} yet`);
      continue;
    }
    const inside = resource.grants.filter(
      (grant) => grant.schema === schema && grant.on.kind !== "database",
    );
    const wanted = collect(pick("schema", schema));
    for (const { role } of inside)
      wanted.set(role, new Set([...(wanted.get(role) ?? []), "usage"]));
    compare(`schema ${schema}`, wanted, actual);
    if (actual[""]?.includes("create") === true)
      found.push(`everybody may create in schema ${schema}`);
    compareRelations(schema);
    compareFunctions(schema);
    compareDefaults(schema);
  }
  return found;

  function compareRelations(schema: string): void {
    const groups = content.relations.filter((group) => group.schema === schema);
    const tables = new Set(
      groups.filter((group) => group.kind === "table").flatMap((group) => group.names),
    );
    const named = pick("tables", schema);
    for (const name of new Set(named.flatMap(namesOf)))
      if (!tables.has(name)) found.push(`there is no table ${schema}.${name} yet`);
    for (const { kind, names, grants } of groups) {
      for (const name of names) {
        const wanted =
          kind === "sequence"
            ? collect(pick("all sequences", schema))
            : collect([
                ...pick("all tables", schema),
                ...named.filter((grant) => namesOf(grant).includes(name)),
              ]);
        compare(`${schema}.${name}`, wanted, grants);
      }
    }
  }

  function compareFunctions(schema: string): void {
    const fact = content.functions[schema];
    const wanted = collect(pick("all functions", schema));
    for (const role of resource.roles) {
      const should = wanted.has(role) ? (fact?.count ?? 0) : 0;
      const is = fact?.granted[role] ?? 0;
      if (is !== should)
        found.push(`${role} may execute ${is} functions of schema ${schema}, should be ${should}`);
    }
  }

  function compareDefaults(schema: string): void {
    for (const kind of ["table", "sequence", "function"] as const) {
      const actual = content.defaults.find(
        (entry) => entry.owner === resource.owner && entry.schema === schema && entry.kind === kind,
      );
      compare(
        `new ${kind}s of schema ${schema}`,
        collect(pick(`all ${kind}s`, schema)),
        actual?.grants ?? {},
      );
    }
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
