/** What PostgreSQL does for each kind of question: the statements that it itself recorded, run once more with EXPLAIN. */
import { get, look } from "./load.mjs";
import { questions, seeded, worst } from "./questions.mjs";

/** @param sql runs SQL as superuser and gives back what psql prints */
export async function explain(base, sql) {
  sql(`load 'auto_explain'; alter system set session_preload_libraries = 'auto_explain';
    alter system set auto_explain.log_min_duration = 0; alter system set auto_explain.log_analyze = on;
    alter system set auto_explain.log_buffers = on; alter system set auto_explain.log_nested_statements = off;`);
  sql("select pg_reload_conf()");
  sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'dx_reader'");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  try {
    const seen = await look(base);
    const random = seeded(3);
    const asked = [
      ...questions.map(({ name, query }) => ({ name, query: query(random, seen) })),
      ...worst.map((query) => ({ name: "worst", query: query.replace("LONGAGO", "2025-06-01") })),
    ];
    for (const { name, query } of asked) {
      const before = Number(
        sql(
          "select pg_current_logfile() is null, coalesce((pg_stat_file('/var/log/postgresql/postgresql-17-main.log')).size, 0)",
        ).split("|")[1],
      );
      const started = performance.now();
      await get(base, `/api/spots?${query}`);
      const took = performance.now() - started;
      const log = sql(
        `select pg_read_file('/var/log/postgresql/postgresql-17-main.log', ${before}, 1000000)`,
      );
      process.stdout.write(
        `\n== ${name}: /api/spots?${query} (${took.toFixed(1)} ms with EXPLAIN, ${countRows(log)} rows or index entries looked at)\n${log}\n`,
      );
    }
  } finally {
    sql(
      "alter system reset session_preload_libraries; alter system reset auto_explain.log_min_duration; alter system reset auto_explain.log_analyze; alter system reset auto_explain.log_buffers; alter system reset auto_explain.log_nested_statements;",
    );
    sql("select pg_reload_conf()");
  }
}

/** What the scans of all statements gave and what they looked at in vain. */
function countRows(log) {
  let sum = 0;
  let scan = false;
  for (const line of log.split("\n")) {
    const node = /(Scan).*actual time=\S+ rows=(\d+) loops=(\d+)/.exec(line);
    if (node !== null) sum += Number(node[2]) * Number(node[3]);
    if (/actual time|never executed/.test(line)) scan = node !== null;
    const removed = /Rows Removed by (?:Filter|Index Recheck): (\d+)/.exec(line);
    if (scan && removed !== null) sum += Number(removed[1]);
  }
  return sum;
}
