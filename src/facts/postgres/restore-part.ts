import { joinScripts, sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import { psqlScript } from "./psql.ts";
import { quoteLiteral } from "./sql.ts";

/** What a restore of a part of a cluster asks beforehand. */
export interface PartQuestion {
  readonly major: number;
  readonly database: string;
  readonly tables: readonly { readonly schema: string; readonly name: string }[];
}

/** What is there of it now. */
export interface PartFact {
  /** Every database of the cluster and its bytes. */
  readonly databases: Readonly<Record<string, number>>;
  /** Those of the tables that are there; `rows` as the planner guesses them, -1 for never looked at. */
  readonly tables: readonly {
    readonly schema: string;
    readonly name: string;
    readonly rows: number;
    readonly bytes: number;
  }[];
}

/** The subject of `partFacts`. */
export function partSubject(question: PartQuestion): string {
  return JSON.stringify(question);
}

const databasesSql =
  "select jsonb_build_object('databases', jsonb_object_agg(datname, pg_database_size(oid))) from pg_database";

/** Databases and tables of a running cluster, by `partSubject`. Absent where it does not answer. */
export const partFacts: FactSource<PartFact> = {
  name: "restore-part",
  lane: "postgres",
  script: (subjects) =>
    joinScripts(
      subjects.map((subject) => {
        const { major, database, tables } = JSON.parse(subject) as PartQuestion;
        const wanted = quoteLiteral(JSON.stringify(tables));
        const tablesSql = `select jsonb_build_object('schema', n.nspname, 'name', c.relname, 'rows', c.reltuples::bigint,
  'bytes', pg_total_relation_size(c.oid)) from jsonb_array_elements(${wanted}) t
join pg_namespace n on n.nspname = t->>'schema' join pg_class c on c.relnamespace = n.oid and c.relname = t->>'name'`;
        return sh`echo ${`subject ${subject}`}
printf '%s\\n' ${databasesSql} | ${psqlScript(major)} 2>/dev/null
${tables.length === 0 ? sh`` : sh`printf '%s\\n' ${tablesSql} | ${psqlScript(major, database)} 2>/dev/null`}`;
      }),
    ),
  parse(stdout, subjects) {
    const found = new Map<string, PartFact>();
    for (const section of stdout.split(/^subject /m)) {
      const [subject = "", ...lines] = section.split("\n");
      const [databases, ...tables] = lines.flatMap((line) =>
        line.startsWith("{") ? [JSON.parse(line) as unknown] : [],
      );
      if (!subjects.includes(subject) || databases === undefined) continue;
      found.set(subject, {
        ...(databases as Pick<PartFact, "databases">),
        tables: tables as PartFact["tables"],
      });
    }
    return found;
  },
};
