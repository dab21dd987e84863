import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { clusterFacts, postgresFacts } from "../../facts/postgres/postgres.ts";
import {
  asPostgres,
  postgresConfigDirectory,
  programDirectory,
  psqlScript,
} from "../../facts/postgres/psql.ts";
import { quoteIdentifier, quoteLiteral } from "../../facts/postgres/sql.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { fileId, findDifferences } from "../files/file.ts";
import { restoreScript } from "../files/preimage.ts";
import type { BlockResource } from "../files/block.ts";
import { proofFunctions, recordOf, takeBackFunction } from "./proof.ts";
import type { KeptFile } from "./proof.ts";
import { postgresUnitOf } from "./unit.ts";
import { claimSame, idOf, removeByScript } from "../resource.ts";
import type { Change, DiffContext, Resource, ResourceId, ResourceKind } from "../resource.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { noteStart, reloadIfNeeded, unitStamp } from "../units/unit.ts";

/**
 * A drop-in of a cluster's configuration, and that the server really runs with it, with its pg_hba.conf and in its unit's drop-ins:
 * reloaded, restarted where that is needed. When it does not come up again, or a database cannot do what it could before, all of it
 * is taken back.
 */
export interface PostgresSettingsResource extends Resource {
  readonly kind: "postgres-settings";
  readonly major: number;
  readonly path: string;
  /** Of the drop-in; ends in a newline. */
  readonly text: string;
  /** The settings it makes: ALTER SYSTEM must not override them. */
  readonly settings: readonly string[];
  readonly stackDirectory: string;
  /** Changes of these (blocks in pg_hba.conf, pg_ident.conf) need a reload. A restart that a setting needs does for the unit too. */
  readonly watches: readonly ResourceId[];
  /** Drop-ins of the unit; with `inputs` (a hash of them) the server is restarted when it does not run with these. */
  readonly dropIns: readonly { readonly path: string }[];
  readonly inputs: string;
}

/** Builds a settings resource; its name is `17/main`. */
export function postgresSettings(
  options: Omit<PostgresSettingsResource, "kind" | "name">,
): PostgresSettingsResource {
  return {
    kind: "postgres-settings",
    name: `${options.major}/main`,
    ...options,
    after: [
      ...new Set([
        ...(options.after ?? []),
        ...options.watches,
        ...options.dropIns.map(({ path }) => fileId(path)),
      ]),
    ],
  };
}

/** hostkit's own files of a cluster. */
export function keptFilesOf(
  dropIns: readonly { readonly path: string }[],
  settings: { readonly path: string },
): KeptFile[] {
  return [
    ...dropIns.map(({ path }, index) => ({ as: `drop-in-${index}`, path })),
    { as: "settings.conf", path: settings.path },
  ];
}

/** The files hostkit only has a block in. */
export function sharedFilesOf(hba: BlockResource, ident: BlockResource): KeptFile[] {
  return [
    { as: "pg_hba.conf", path: hba.path },
    { as: "pg_ident.conf", path: ident.path },
  ];
}

function asFile(resource: PostgresSettingsResource) {
  const { path, text } = resource;
  return { path, content: { text }, mode: "0644", owner: "postgres", group: "postgres" };
}

export const postgresSettingsKind: ResourceKind<PostgresSettingsResource> = {
  kind: "postgres-settings",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, resource.text),
    need(postgresFacts, String(resource.major)),
    need(clusterFacts, String(resource.major)),
    need(fileFacts, recordOf(resource.stackDirectory, resource.major)),
    need(textFacts, stampPath(resource.stackDirectory, unitStamp(postgresUnitOf(resource.major)))),
  ],

  diff(resource, facts, context): Change | undefined {
    const fact = facts.get(postgresFacts, String(resource.major));
    const reasons = [...(findDifferences(asFile(resource), facts) ?? [])];
    const changed = resource.watches.filter((id) => context.changed.has(id));
    if (changed.length > 0) reasons.push(`${changed.join(", ")} changed`);
    else if (fact?.isReloadPending === true || context.isUnfinished)
      reasons.push("the server has not loaded its files yet");
    const mayRestart = restartsFor(resource, facts);
    const restart = (fact?.restartPending ?? []).filter((name) => mayRestart?.has(name) ?? true);
    if (restart.length > 0) reasons.push(`${restart.join(", ")} needs a restart`);
    const overridden = resource.settings.filter((name) => fact?.overridden.includes(name));
    if (overridden.length > 0) reasons.push(`ALTER SYSTEM overrides ${overridden.join(", ")}`);
    const outdone = resource.settings.filter((name) => fact?.outdone?.includes(name));
    if (outdone.length > 0) reasons.push(`another file overrides ${outdone.join(", ")}`);
    const unitChange = explainUnit(resource, facts, context);
    if (unitChange !== undefined) reasons.push(unitChange);
    if (facts.get(fileFacts, recordOf(resource.stackDirectory, resource.major)) !== undefined)
      reasons.push("an earlier run ended before it had proved that all works as before");
    if (reasons.length === 0) return undefined;
    const exists = facts.get(fileFacts, resource.path) !== undefined;
    const difference = diffLines(facts.get(textFacts, resource.path) ?? "", resource.text);
    return {
      id: idOf(resource),
      action: exists ? "update" : "create",
      because: reasons.join("; "),
      ...(difference.length === 0 ? {} : { difference }),
      ...awayOf(resource, facts, {
        isCertain: unitChange !== undefined || restart.length > 0,
        isPossible: findDifferences(asFile(resource), facts) !== undefined,
      }),
      steps: [
        { type: "upload", as: "settings.conf", content: { text: resource.text } },
        {
          type: "script",
          title: `apply ${resource.path}`,
          script: applyScript(resource, {
            overridden,
            mustRestart: unitChange !== undefined,
            ...(mayRestart === undefined ? {} : { mayRestart }),
          }),
        },
      ],
    };
  },

  /** One server has one value of each. */
  claims: (resource) =>
    [...resource.text.matchAll(/^([\w.]+) = (.*)$/gm)].map(([, name, value]) =>
      claimSame(resource, value ?? "", `setting:${resource.name} ${name}`),
    ),

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
    return removeByScript(
      owned,
      `remove ${path}`,
      joinScripts([restoreScript(path, context), settleScript(Number(owned["major"]))]),
    );
  },
};

/** A server that runs is started again for its unit, or for a setting that says so once it is read. */
function awayOf(
  { major }: PostgresSettingsResource,
  facts: Facts,
  { isCertain, isPossible }: { readonly isCertain: boolean; readonly isPossible: boolean },
): Pick<Change, "away"> {
  if (facts.get(clusterFacts, String(major))?.state !== "running") return {};
  if (!isCertain && !isPossible) return {};
  const what = `PostgreSQL ${major}`;
  return {
    away: isCertain ? { what } : { what, onlyIf: "a setting that changes needs a restart" },
  };
}

/** Why the server has to start again for the sake of its unit. */
function explainUnit(
  { major, dropIns, inputs, stackDirectory }: PostgresSettingsResource,
  facts: Facts,
  context: DiffContext,
): string | undefined {
  if (inputs === "") return undefined;
  const cluster = facts.get(clusterFacts, String(major));
  const changed = dropIns.map(({ path }) => fileId(path)).filter((id) => context.changed.has(id));
  if (changed.length > 0) return `${changed.join(", ")} changed`;
  if (cluster?.state !== "running") return undefined;
  const stamp = readStamp(facts, stackDirectory, unitStamp(postgresUnitOf(major)));
  return stamp === inputs ? undefined : "runs with an older unit";
}

/**
 * Somebody else's server is only started again for settings that hostkit makes, or made: what its owner left for a later restart
 * waits for that.
 */
function restartsFor(
  { major, path, settings }: PostgresSettingsResource,
  facts: Facts,
): ReadonlySet<string> | undefined {
  if (facts.get(clusterFacts, String(major))?.isMade !== false) return undefined;
  const former = (facts.get(textFacts, path) ?? "").matchAll(/^([\w.]+) *=/gm);
  return new Set([...settings, ...[...former].map(([, name]) => name ?? "")]);
}

/** Others may use the server too: it is only started again where what is gone needs that, and it is looked at. */
function settleScript(major: number): Script {
  const unit = postgresUnitOf(major);
  const ask = psqlScript(major, "postgres", ["-c", pendingSql()]);
  return sh`systemctl is-active -q ${unit} || exit 0
if ! ${psqlScript(major, "postgres", ["-c", "select 1"])} >/dev/null 2>&1; then
  systemctl reload ${unit} || :
  exit 0
fi
${loadScript(major)}
if [ -n "$(${ask})" ]; then systemctl restart ${unit}; fi`;
}

/** @param names those that count; absent: all */
function pendingSql(names?: ReadonlySet<string>): string {
  const all = "select string_agg(name, ', ') from pg_settings where pending_restart";
  return names === undefined
    ? all
    : `${all} and name in (${[...names, ""].map(quoteLiteral).join(", ")})`;
}

/** Lets the server read its files, and waits until it has. */
function loadScript(major: number): Script {
  const when = psqlScript(major, "postgres", [
    "-c",
    "select extract(epoch from pg_conf_load_time())",
  ]);
  return sh`loaded=$(${when})
systemctl reload ${postgresUnitOf(major)}
tries=0
while [ "$(${when})" = "$loaded" ] && [ "$tries" -lt 100 ]; do
  tries=$((tries + 1)); sleep 0.1
done`;
}

interface ApplyOptions {
  /** By ALTER SYSTEM. */
  readonly overridden: readonly string[];
  readonly mustRestart: boolean;
  /** Absent: for any setting. */
  readonly mayRestart?: ReadonlySet<string>;
}

function applyScript(resource: PostgresSettingsResource, options: ApplyOptions): Script {
  const { overridden, mustRestart, mayRestart } = options;
  const { major, path, stackDirectory } = resource;
  const unit = postgresUnitOf(major);
  const config = postgresConfigDirectory(major);
  const log = `/var/log/postgresql/postgresql-${major}-main.log`;
  const ask = (sql: string): Script => psqlScript(major, "postgres", ["-c", sql]);
  const shared = [
    { as: "pg_hba.conf", path: `${config}/pg_hba.conf` },
    { as: "pg_ident.conf", path: `${config}/pg_ident.conf` },
  ];
  return sh`${proofFunctions(major, recordOf(stackDirectory, major))}
${takeBackFunction(major, keptFilesOf(resource.dropIns, resource), shared)}
# Without a record the cluster is new: there was nothing of hostkit's before.
[ -d "$record" ] || mkdir -m 0700 "$record"
[ -d ${`${config}/conf.d`} ] || hk_folder ${`${config}/conf.d`} 0755 postgres postgres
hk_read ${`${config}/postgresql.conf`} >postgresql.conf
if ! grep -q ${"^ *include_dir *=\\{0,1\\} *'conf.d'"} postgresql.conf; then
  echo ${"include_dir = 'conf.d'"} >>postgresql.conf
  hk_rewrite postgresql.conf ${`${config}/postgresql.conf`}
fi
${reloadIfNeeded([unit])}
hk_put settings.conf ${path} 0644 postgres postgres
if ! ${asPostgres} ${`${programDirectory(major)}/postgres`} -D ${config} -C max_connections >/dev/null 2>why; then
  take_back "PostgreSQL refuses these settings:"
fi
said() {
  hk_read ${log} 2>/dev/null | tail -c +"$((size + 1))" >new.log || true
  { grep -E ${"(FATAL|PANIC|ERROR|HINT|DETAIL):"} new.log || cat new.log; } | tail -n 6 >why
}
size=$(stat -c %s ${log} 2>/dev/null || echo 0)
if ! systemctl is-active -q ${unit}; then
  systemctl unmask --runtime -q ${unit}
  restarted=yes
  if ! systemctl start ${unit} || ! answers; then
    said
    take_back "PostgreSQL does not start with these settings. Its last lines:"
  fi
${noteStart(unit)}
fi
${overridden.length === 0 ? sh`` : keepAltered(ask("show data_directory"))}
${joinScripts(overridden.map((name) => ask(`alter system reset ${quoteIdentifier(name)}`)))}
${loadScript(major)}
${ask(hbaErrorsSql)} >why
if [ -s why ]; then take_back "PostgreSQL cannot read its pg_hba.conf:"; fi
${ask(outdoneSql(path))} >why
if [ -s why ]; then take_back "these settings have no effect, because another file sets them later; take its lines out:"; fi
pending=$(${ask(pendingSql(mayRestart))})
if [ -z "$restarted" ] && [ -n "$pending"${mustRestart ? sh`yes` : sh``} ]; then
  echo "restarting"\${pending:+" for $pending"}
  restarted=yes
  size=$(stat -c %s ${log} 2>/dev/null || echo 0)
  if ! systemctl restart ${unit} 2>/dev/null || ! answers; then
    said
    take_back "PostgreSQL does not start with these settings. Its last lines:"
  fi
${noteStart(unit)}
fi
if ! proved; then
  printf '%s\n' "$lost" | head -n 20 >why
  take_back "PostgreSQL runs, but what could be done before cannot be done any more:"
fi
rm -rf "$record"`;
}

/** ALTER SYSTEM's settings, which a failure brings back too. */
function keepAltered(data: Script): Script {
  return sh`altered=$(${data})/postgresql.auto.conf
printf %s "$altered" >"$record/altered"
hk_keep "$altered" "$record/postgresql.auto.conf"`;
}

function outdoneSql(path: string): string {
  return `select format('%s: %s, line %s', ours.name, later.sourcefile, later.sourceline)
from pg_file_settings ours join pg_file_settings later
  on later.name = ours.name and later.seqno > ours.seqno and later.setting is distinct from ours.setting
where ours.sourcefile = ${quoteLiteral(path)} and later.sourcefile !~ '/postgresql\\.auto\\.conf$'`;
}

const hbaErrorsSql =
  "select format('line %s: %s', line_number, error) from pg_hba_file_rules where error is not null";
