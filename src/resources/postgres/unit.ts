import { psqlScript } from "../../facts/postgres/psql.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/** The systemd unit of a cluster. */
export function postgresUnitOf(major: number): string {
  return `postgresql@${major}-main.service`;
}

/** Whether it is some cluster's. */
export function isPostgresUnit(name: string): boolean {
  return name.startsWith("postgresql@");
}

/** Waits until the server answers, at most a minute (recovery after a crash takes its time). */
export function waitForPostgres(major: number): Script {
  return sh`tries=0
until ${psqlScript(major, "postgres", ["-c", "select 1"])} >/dev/null 2>answer; do
  tries=$((tries + 1))
  if [ "$tries" -ge 600 ]; then
    echo "PostgreSQL does not answer:" >&2
    cat answer >&2
    hk_read ${`/var/log/postgresql/postgresql-${major}-main.log`} | tail -n 20 >&2 || true
    exit 1
  fi
  sleep 0.1
done`;
}
