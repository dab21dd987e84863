import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { postgresFacts } from "../facts/postgres.ts";
import { psqlScript } from "../facts/psql.ts";
import { quoteIdentifier } from "../facts/sql.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { diffLines } from "./difference.ts";
import { findDifferences } from "./file.ts";
import { restoreScript } from "./preimage.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "./resource.ts";
import { noteStart, reloadIfNeeded, startScript } from "./unit.ts";

/**
 * A drop-in of a cluster's configuration, and that the server really runs with it and with its pg_hba.conf:
 * reloaded, restarted where a setting needs it, and put back when the server does not come up again.
 */
export interface PostgresSettingsResource extends Resource {
  readonly kind: "postgres-settings";
  readonly major: number;
  readonly path: string;
  /** Of the drop-in; ends in a newline. */
  readonly text: string;
  /** The settings it makes: ALTER SYSTEM must not override them. */
  readonly settings: readonly string[];
  /** Changes of these (blocks in pg_hba.conf, pg_ident.conf) need a reload. A restart that a setting needs does for the unit too. */
  readonly watches: readonly ResourceId[];
}

/** The systemd unit of a cluster. */
export function postgresUnitOf(major: number): string {
  return `postgresql@${major}-main.service`;
}

/** Builds a settings resource; its name is `17/main`. */
export function postgresSettings(
  options: Omit<PostgresSettingsResource, "kind" | "name">,
): PostgresSettingsResource {
  return {
    kind: "postgres-settings",
    name: `${options.major}/main`,
    ...options,
    after: [...new Set([...(options.after ?? []), ...options.watches])],
  };
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

function asFile(resource: PostgresSettingsResource) {
  const { path, text } = resource;
  return { path, content: { text }, mode: "0644", owner: "postgres", group: "postgres" };
}

export const postgresSettingsKind: ResourceKind<PostgresSettingsResource> = {
  kind: "postgres-settings",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, resource.text),
    need(postgresFacts, String(resource.major)),
  ],

  diff(resource, facts, context): Change | undefined {
    const fact = facts.get(postgresFacts, String(resource.major));
    const reasons = [...(findDifferences(asFile(resource), facts) ?? [])];
    const changed = resource.watches.filter((id) => context.changed.has(id));
    if (changed.length > 0) reasons.push(`${changed.join(", ")} changed`);
    else if (fact?.isReloadPending === true || context.isUnfinished)
      reasons.push("the server has not loaded its files yet");
    const restart = fact?.restartPending ?? [];
    if (restart.length > 0) reasons.push(`${restart.join(", ")} needs a restart`);
    const overridden = resource.settings.filter((name) => fact?.overridden.includes(name));
    if (overridden.length > 0) reasons.push(`ALTER SYSTEM overrides ${overridden.join(", ")}`);
    if (reasons.length === 0) return undefined;
    const exists = facts.get(fileFacts, resource.path) !== undefined;
    const difference = diffLines(facts.get(textFacts, resource.path) ?? "", resource.text);
    return {
      id: idOf(resource),
      action: exists ? "update" : "create",
      because: reasons.join("; "),
      ...(difference.length === 0 ? {} : { difference }),
      steps: [
        { type: "upload", as: "settings.conf", content: { text: resource.text } },
        {
          type: "script",
          title: `apply ${resource.path}`,
          script: applyScript(resource, overridden),
        },
      ],
    };
  },

  own: (resource) => ({
    kind: "postgres-settings",
    name: resource.name,
    path: resource.path,
    major: resource.major,
  }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    const unit = postgresUnitOf(Number(owned["major"]));
    return removeByScript(
      owned,
      `remove ${path}`,
      joinScripts([
        restoreScript(path, context),
        sh`if systemctl is-active -q ${unit}; then systemctl restart ${unit}; fi`,
      ]),
    );
  },
};

function applyScript(resource: PostgresSettingsResource, overridden: readonly string[]): Script {
  const { major, path } = resource;
  const unit = postgresUnitOf(major);
  const config = `/etc/postgresql/${major}/main`;
  const log = `/var/log/postgresql/postgresql-${major}-main.log`;
  const ask = (sql: string): Script => psqlScript(major, "postgres", ["-c", sql]);
  return sh`[ -d ${`${config}/conf.d`} ] || hk_folder ${`${config}/conf.d`} 0755 postgres postgres
hk_read ${`${config}/postgresql.conf`} >postgresql.conf
if ! grep -q ${"^ *include_dir *=\\? *'conf.d'"} postgresql.conf; then
  echo ${"include_dir = 'conf.d'"} >>postgresql.conf
  hk_rewrite postgresql.conf ${`${config}/postgresql.conf`}
fi
hk_keep ${path} "$PWD/old.conf"
restore() { hk_put_back "$PWD/old.conf" ${path}; }
${reloadIfNeeded([unit])}
hk_put settings.conf ${path} 0644 postgres postgres
if ! setpriv --reuid=postgres --regid=postgres --init-groups ${`/usr/lib/postgresql/${major}/bin/postgres`} -D ${config} -C max_connections >/dev/null 2>checked; then
  restore
  echo "PostgreSQL refuses these settings; the old ones are back:" >&2
  cat checked >&2
  exit 1
fi
if ! systemctl is-active -q ${unit}; then
  systemctl unmask --runtime -q ${unit}
${startScript("start", unit)}
${noteStart(unit)}
fi
${waitForPostgres(major)}
${joinScripts(overridden.map((name) => ask(`alter system reset ${quoteIdentifier(name)}`)))}
loaded=$(${ask("select extract(epoch from pg_conf_load_time())")})
systemctl reload ${unit}
tries=0
while [ "$(${ask("select extract(epoch from pg_conf_load_time())")})" = "$loaded" ] && [ "$tries" -lt 100 ]; do
  tries=$((tries + 1)); sleep 0.1
done
${ask(hbaErrorsSql)} >errors
if [ -s errors ]; then
  echo "PostgreSQL cannot read pg_hba.conf and goes on with the old one:" >&2
  cat errors >&2
  exit 1
fi
pending=$(${ask("select string_agg(name, ', ') from pg_settings where pending_restart")})
[ -n "$pending" ] || exit 0
echo "restarting for $pending"
answers() {
  tries=0
  until ${ask("select 1")} >/dev/null 2>&1; do
    state=$(systemctl show -p ActiveState --value ${unit})
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ] || [ "$state" = failed ]; then return 1; fi
    if [ "$state" = activating ] && [ "$tries" -ge 12 ]; then return 1; fi
    sleep 0.5
  done
}
size=$(stat -c %s ${log} 2>/dev/null || echo 0)
if ! systemctl restart ${unit} 2>/dev/null || ! answers; then
  hk_read ${log} 2>/dev/null | tail -c +"$((size + 1))" >new.log || true
  { grep -E ${"(FATAL|PANIC|ERROR|HINT|DETAIL):"} new.log || cat new.log; } | tail -n 6 >log
  restore
  systemctl reset-failed ${unit} || true
  systemctl restart ${unit} || true
  echo "PostgreSQL does not start with these settings; the old ones are back. Its last lines:" >&2
  cat log >&2
  answers || echo "PostgreSQL does not answer with the old settings either" >&2
  exit 1
fi
${noteStart(unit)}`;
}

const hbaErrorsSql =
  "select format('line %s: %s', line_number, error) from pg_hba_file_rules where error is not null";
