import { joinScripts, sh } from "../../shell/script.ts";
import type { FactGroup, FactSource } from "../fact.ts";
import { describeCluster, parseClusters, placeSql } from "./cluster.ts";
import type { ClusterFact } from "./cluster.ts";
import { psqlProgram } from "./psql.ts";
import { quoteIdentifier, quoteLiteral } from "./sql.ts";

export interface PostgresRoleFact {
  readonly login: boolean;
  /** superuser, createdb, createrole, replication or bypassrls: hostkit's roles have none of them. */
  readonly powers: readonly string[];
  /** -1: no limit. */
  readonly connectionLimit: number;
  readonly hasPassword: boolean;
}

/** Privileges by role, lower case; "" is PUBLIC. The owner's own are left out. */
export type PostgresGrants = Readonly<Record<string, readonly string[]>>;

export interface PostgresDatabaseFact {
  readonly owner: string;
  readonly encoding: string;
  readonly locale: string;
  readonly grants: PostgresGrants;
}

/** What one running cluster says of itself. */
export interface PostgresFact {
  /** server_version_num: 170005 */
  readonly version: number;
  readonly dataChecksums: boolean;
  /** A configuration file is newer than what the server has loaded. */
  readonly isReloadPending: boolean;
  /** Settings that wait for a restart. */
  readonly restartPending: readonly string[];
  /** Settings made by ALTER SYSTEM, which win over every file. */
  readonly overridden: readonly string[];
  /** Settings of a file of hostkit's that another file sets to something else later. */
  readonly outdone?: readonly string[];
  /** Where the newest attempt to archive WAL failed: when (seconds since the epoch) and which segment. */
  readonly archiveFailure?: { readonly time: number; readonly segment: string } | null;
  readonly roles: Readonly<Record<string, PostgresRoleFact>>;
  readonly databases: Readonly<Record<string, PostgresDatabaseFact>>;
}

const grantsSql = (acl: string, owner: string, kind: string) =>
  `coalesce((select jsonb_object_agg(role, list) from (
    select case a.grantee when 0 then '' else pg_get_userbyid(a.grantee) end as role,
      jsonb_agg(distinct lower(a.privilege_type)) as list
    from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) a
    where a.grantee <> ${owner} group by 1) g), '{}')`;

/**
 * A row: the server reads its files anew for each look at pg_file_settings, and asks each of some 380 settings for one at pg_settings, which
 * can only wait for a restart when files were loaded since the start.
 */
const clusterSql = (
  prefix: string,
) => `with file_settings as materialized (select sourcefile, name, seqno, setting from pg_file_settings)
select concat(${quoteLiteral(prefix)}, jsonb_build_object(
'version', current_setting('server_version_num')::int,
'dataChecksums', current_setting('data_checksums') = 'on',
'isReloadPending', (select max((pg_stat_file(f)).modification) > pg_conf_load_time() from (
  select current_setting('hba_file') f union select current_setting('ident_file')
  union select sourcefile from file_settings) files),
'restartPending', coalesce((select jsonb_agg(name order by name) from pg_settings
  where pending_restart and pg_conf_load_time() > pg_postmaster_start_time()), '[]'),
'overridden', coalesce((select jsonb_agg(distinct name) from file_settings
  where sourcefile = current_setting('data_directory') || '/postgresql.auto.conf'), '[]'),
'outdone', coalesce((select jsonb_agg(distinct ours.name) from file_settings ours join file_settings later
  on later.name = ours.name and later.seqno > ours.seqno and later.setting is distinct from ours.setting
  where ours.sourcefile ~ '/conf[.]d/50-hostkit-' and later.sourcefile !~ '/postgresql[.]auto[.]conf$'), '[]'),
'archiveFailure', (select jsonb_build_object('time', extract(epoch from last_failed_time)::bigint, 'segment', last_failed_wal)
  from pg_stat_archiver where last_failed_time > coalesce(last_archived_time, '-infinity')),
'place', ${placeSql},
'roles', (select jsonb_object_agg(rolname, jsonb_build_object('login', rolcanlogin,
  'powers', array_remove(array[case when rolsuper then 'superuser' end, case when rolcreatedb then 'createdb' end,
    case when rolcreaterole then 'createrole' end, case when rolreplication then 'replication' end,
    case when rolbypassrls then 'bypassrls' end], null),
  'connectionLimit', rolconnlimit, 'hasPassword', rolpassword is not null))
  from pg_authid where rolname !~ '^pg_'),
'databases', (select jsonb_object_agg(datname, jsonb_build_object('owner', pg_get_userbyid(datdba),
  'encoding', pg_encoding_to_char(encoding), 'locale', datcollate,
  'grants', ${grantsSql("datacl", "datdba", "d")})) from pg_database where datallowconn)));`;

const connect = (database: string) => `\\connect ${quoteIdentifier(database)}`;

const connectUnlessThere = (
  database: string,
) => `select current_database() <> ${quoteLiteral(database)} as elsewhere \\gset
\\if :elsewhere
${connect(database)}
\\endif`;

/** One psql for each cluster: `SUBJECT {json}` for what answers. */
export const postgresGroup: FactGroup = {
  name: "postgresql",
  lane: "postgres",
  script(asked) {
    const described = asked.get("postgres-cluster") ?? [];
    const clusters = [...new Set([...(asked.get("postgres") ?? []), ...described])];
    const databases = (asked.get("postgres-content") ?? []).map((subject) => {
      const at = subject.indexOf(" ");
      return { subject, major: subject.slice(0, at), database: subject.slice(at + 1) };
    });
    const majors = [...new Set([...clusters, ...databases.map(({ major }) => major)])];
    return joinScripts(
      majors.map((major) => {
        const inside = databases.filter((one) => one.major === major);
        const sql = [
          ...(clusters.includes(major) ? [clusterSql(`${major} `)] : []),
          // What fails in one database fails there alone: psql goes on, without a connection where there is none.
          ...inside.map(
            (
              { subject, database },
              at,
            ) => `${at === 0 ? connectUnlessThere(database) : connect(database)}
\\unset m
\\unset applied
${contentSql(subject)}`,
          ),
        ];
        // A server process for each connection: the first database does for the questions about the cluster. 2: not connected.
        const first = inside[0]?.database;
        const ask = sh`ask() { printf %s "$sql" | ${psqlProgram(Number(major), sh`-XAtq`)} -d "$1"; }
sql=${`${sql.join("\n")}\n`}
answer=2
${first === undefined ? sh`` : sh`ask ${first}; answer=$?`}`;
        if (!described.includes(major))
          return sh`${ask}
[ "$answer" -ne 2 ] || ask postgres`;
        return sh`${ask}
[ "$answer" -ne 2 ] || { words=$(ask postgres 2>&1 >&4); answer=$?; } 4>&1
${describeCluster(major, sh`[ "$answer" -eq 2 ] || [ "$answer" -ge 126 ]`)}`;
      }),
    );
  },
};

/** Clusters `main` by major version ("17"). Absent where it is not installed or does not answer. */
export const postgresFacts: FactSource<PostgresFact> = {
  name: "postgres",
  group: postgresGroup,
  parse: (stdout) => parseJsonLines(stdout, 1),
};

/** Relations of one schema and kind that have the same grants. */
export interface PostgresRelations {
  readonly schema: string;
  readonly kind: "table" | "sequence";
  readonly grants: PostgresGrants;
  readonly names: readonly string[];
}

/** What is inside one database; system schemas and hostkit's own are left out. */
export interface PostgresContentFact {
  /** Name → version. */
  readonly extensions: Readonly<Record<string, string>>;
  readonly schemas: Readonly<Record<string, PostgresGrants>>;
  readonly relations: readonly PostgresRelations[];
  /** By schema: how many functions there are, and how many of them each role was given. */
  readonly functions: Readonly<
    Record<string, { readonly count: number; readonly granted: Readonly<Record<string, number>> }>
  >;
  /** ALTER DEFAULT PRIVILEGES: `schema` "" is every schema. */
  readonly defaults: readonly {
    readonly owner: string;
    readonly schema: string;
    readonly kind: "table" | "sequence" | "function";
    readonly grants: PostgresGrants;
  }[];
  /** Applied migrations: file name → SHA-256. */
  readonly migrations: Readonly<Record<string, string>>;
}

const ownSchemas = "n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'hostkit')";

/** As the superuser: a table runs nothing when it is read, a view that somebody else put in its place would. */
const contentSql = (
  subject: string,
) => `select exists (select from pg_class where oid = to_regclass('hostkit.migrations') and relkind = 'r') as m \\gset
\\if :m
select coalesce(jsonb_object_agg(name, sha256), '{}') as applied from hostkit.migrations \\gset
\\else
select '{}' as applied \\gset
\\endif
select concat(${quoteLiteral(`${subject} `)}, jsonb_build_object('migrations', :'applied'::jsonb,
'extensions', (select coalesce(jsonb_object_agg(extname, extversion), '{}') from pg_extension),
'schemas', (select coalesce(jsonb_object_agg(nspname, ${grantsSql("nspacl", "nspowner", "n")}), '{}')
  from pg_namespace n where ${ownSchemas}),
'relations', (select coalesce(jsonb_agg(jsonb_build_object('schema', nspname, 'kind', kind, 'grants', grants, 'names', names)), '[]') from (
  select nspname, kind, grants, jsonb_agg(relname order by relname) as names from (
    select n.nspname, c.relname, case c.relkind when 'S' then 'sequence' else 'table' end as kind,
      ${grantsSql("c.relacl", "c.relowner", "r")} as grants
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v', 'm', 'p', 'f', 'S') and ${ownSchemas}) each_one
  group by 1, 2, 3) grouped),
'functions', (select coalesce(jsonb_object_agg(nspname, jsonb_build_object('count', count, 'granted', granted)), '{}') from (
  select n.nspname, count(*) as count, coalesce((select jsonb_object_agg(role, times) from (
    select pg_get_userbyid(a.grantee) as role, count(distinct q.oid) as times
    from pg_proc q, aclexplode(q.proacl) a
    where q.pronamespace = n.oid and a.grantee not in (0, q.proowner) group by 1) r), '{}') as granted
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${ownSchemas} group by n.oid, n.nspname) f),
'defaults', (select coalesce(jsonb_agg(jsonb_build_object('owner', pg_get_userbyid(defaclrole), 'schema', coalesce(n.nspname, ''),
  'kind', case defaclobjtype when 'r' then 'table' when 'S' then 'sequence' else 'function' end,
  'grants', ${grantsSql("defaclacl", "defaclrole", "r")})), '[]')
  from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace where defaclobjtype in ('r', 'S', 'f'))));
`;

/** The subject of `postgresContentFacts`. */
export function postgresContentSubject(major: number, database: string): string {
  return `${major} ${database}`;
}

/** Databases, by `postgresContentSubject`. Absent where the database is not there. */
export const postgresContentFacts: FactSource<PostgresContentFact> = {
  name: "postgres-content",
  group: postgresGroup,
  parse: (stdout) => parseJsonLines(stdout, 2),
};

/** Lines of `subject {json}`, where the subject has so many words; lines without an answer are left out. */
function parseJsonLines<T>(stdout: string, words: number): Map<string, T> {
  const found = new Map<string, T>();
  for (const line of stdout.split("\n")) {
    const at = line.indexOf(" {");
    if (at < 0) continue;
    const subject = line.slice(0, at);
    if (subject.split(" ").length !== words) continue;
    try {
      found.set(subject, JSON.parse(line.slice(at + 1)) as T);
    } catch {
      // Cut short: the server went away while it answered.
    }
  }
  return found;
}

/** Clusters `main` by major version, whether they answer, are down or not there yet. */
export const clusterFacts: FactSource<ClusterFact> = {
  name: "postgres-cluster",
  group: postgresGroup,
  parse: parseClusters,
};
