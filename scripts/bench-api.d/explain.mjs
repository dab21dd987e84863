/** What PostgreSQL does for each kind of question: the statements that it itself recorded, run once more with EXPLAIN. */
import { get, look } from "./load.mjs";
import { questions, seeded } from "./questions.mjs";

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
    for (const question of questions) {
      const query = question.query(random, seen);
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
        `\n== ${question.name}: /api/spots?${query} (${took.toFixed(1)} ms with EXPLAIN)\n${log}\n`,
      );
    }
  } finally {
    sql(
      "alter system reset session_preload_libraries; alter system reset auto_explain.log_min_duration; alter system reset auto_explain.log_analyze; alter system reset auto_explain.log_buffers; alter system reset auto_explain.log_nested_statements;",
    );
    sql("select pg_reload_conf()");
  }
}
