import { psqlScript } from "../../facts/postgres/psql.ts";
import { restorePointsFile } from "../../facts/postgres/restore-points.ts";
import { rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/** A name in the WAL has at most 63 bytes: MAXFNAMELEN, src/include/access/xlog_internal.h. */
const sql = `select concat_ws(' ', round(extract(epoch from clock_timestamp()), 3), lsn, pg_walfile_name(lsn), :'name')
from (select pg_create_restore_point(:'name') as lsn where not pg_is_in_recovery() and current_setting('archive_mode') <> 'off' offset 0) made;
`;

/** How many are remembered. */
const bound = 200;

/**
 * Writes a restore point into the WAL and down on the host: `TIME LSN SEGMENT NAME WHY…`. Never fails: what it stands before goes on without it.
 * @param part tells it from others of the same run; "" for the run's own
 */
export function restorePointScript(major: number, part: string, why: string): Script {
  const more = part.replaceAll(/[^\w.-]+/g, "_");
  const kept = rawScript(String(bound - 1));
  return sh`make_restore_point() {
  name=$(printf %s hostkit-"\${HOSTKIT_RUN##*/}"${more === "" ? sh`` : sh`-${more}`} | head -c 63)
  made=$(printf %s ${sql} | ${psqlScript(major, "postgres", ["-v"])} name="$name") && [ -n "$made" ] || return 1
  points="$HOSTKIT_STACK_DIRECTORY"/${restorePointsFile}
  mkdir -p -m 0700 "\${points%/*}"
  (
    flock 9
    { tail -n ${kept} "$points" 2>/dev/null || :; echo "$made" ${why.replaceAll(/\s+/g, " ").slice(0, 200)}; } >"$points.new"
    sync "$points.new" && mv -f "$points.new" "$points"
  ) 9>"$points.lock"
}
${part === "" ? sh`` : sh`[ ! -e "$HOSTKIT_RUN/restore-point" ] || `}make_restore_point || echo "no restore point was made" >&2
${part === "" ? sh`: >"$HOSTKIT_RUN/restore-point"` : sh``}`;
}
