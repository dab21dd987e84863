import type { FactNeed } from "../../facts/fact.ts";
import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { clusterFacts } from "../../facts/postgres/postgres.ts";
import {
  asPostgres,
  postgresConfigDirectory,
  programDirectory,
} from "../../facts/postgres/psql.ts";
import { rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { blockKind, stageBlock, wrapBlock } from "../files/block.ts";
import type { BlockResource } from "../files/block.ts";
import { fileKind } from "../files/file.ts";
import type { FileResource } from "../files/file.ts";
import { proofFunctions, recordOf, recordScript } from "./proof.ts";
import { keptFilesOf, postgresSettingsKind, sharedFilesOf } from "./settings.ts";
import type { PostgresSettingsResource } from "./settings.ts";
import { idOf, idsOf } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";

/**
 * Before anything of a cluster that is there is touched: what its databases can do is written down, with the files as they stand, and
 * a throw-away server is started with the whole of the new configuration. What that server refuses never stands where a restart
 * would read it.
 */
export interface PostgresTrialResource extends Resource {
  readonly kind: "postgres-trial";
  readonly major: number;
  readonly stackDirectory: string;
  /** Of systemd. */
  readonly dropIns: readonly FileResource[];
  /** In pg_hba.conf and pg_ident.conf. */
  readonly hba: BlockResource;
  readonly ident: BlockResource;
  readonly settings: PostgresSettingsResource;
}

/** The id that its parts wait for. */
export function postgresTrialId(major: number): ResourceId {
  return idsOf("postgres-trial")(`${major}/main`);
}

/** Builds a trial; its name is `17/main`. */
export function postgresTrial(
  options: Omit<PostgresTrialResource, "kind" | "name">,
): PostgresTrialResource {
  return { kind: "postgres-trial", name: `${options.major}/main`, ...options };
}

export const postgresTrialKind: ResourceKind<PostgresTrialResource> = {
  kind: "postgres-trial",
  group: "database",
  touches: () => ["postgres"],
  needs: ({ dropIns, hba, ident, settings, major }): FactNeed[] => [
    need(clusterFacts, String(major)),
    ...dropIns.flatMap((one) => fileKind.needs(one)),
    ...blockKind.needs(hba),
    ...blockKind.needs(ident),
    ...postgresSettingsKind.needs(settings),
  ],

  diff(resource, facts, options): Change | undefined {
    // What a killed run left unproved is in its record, and a fact.
    const context = { ...options, isUnfinished: false };
    const { dropIns, hba, ident, settings, major, stackDirectory } = resource;
    const cluster = facts.get(clusterFacts, String(major));
    // Nobody has anything in a cluster that is not there yet; its first start is its trial.
    if (cluster === undefined || cluster.state === "missing") return undefined;
    const changes = [
      ...dropIns.map((one) => fileKind.diff(one, facts, context)),
      blockKind.diff(hba, facts, context),
      blockKind.diff(ident, facts, context),
      postgresSettingsKind.diff(settings, facts, context),
    ].filter((change) => change !== undefined);
    if (changes.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: "run",
      because: `before it changes: ${facts.get(fileFacts, settings.path) === undefined ? "this cluster was there before" : changes.map(({ id }) => id).join(", ")}`,
      steps: [
        { type: "upload", as: "settings.conf", content: { text: settings.text } },
        { type: "upload", as: "hba.block", content: { text: wrapBlock(hba) } },
        { type: "upload", as: "ident.block", content: { text: wrapBlock(ident) } },
        {
          type: "script",
          title: `try PostgreSQL ${resource.name} with the new configuration`,
          script: sh`${proofFunctions(major, recordOf(stackDirectory, major))}
isNew=; [ -d "$record" ] || isNew=yes
${recordScript(major, keptFilesOf(resource.dropIns, settings), sharedFilesOf(hba, ident))}
${stageBlock(hba, "hba.block", "hba")}
${stageBlock(ident, "ident.block", "ident")}
${tryScript(resource)}`,
        },
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};

/** Runs as postgres; 1 is the new drop-in's name or "" for the files as they are, 3 its text, 4 and 5 pg_hba.conf and pg_ident.conf. */
const trial = rawScript(`set -eu
umask 077
name=$1 etc=$2 bin=$3
t=$(mktemp -d /var/tmp/hostkit-postgresql.XXXXXX)
pid=
end() {
  [ -z "$pid" ] || { kill -INT "$pid" 2>/dev/null || :; wait "$pid" || :; }
  rm -rf "$t"
}
trap end EXIT
cd "$t"
cp -R "$etc" etc
if [ -n "$name" ]; then
  # What stands there may be a link: the step that writes the real one does not follow it either.
  [ ! -L etc/conf.d ] || rm -f etc/conf.d
  mkdir -p etc/conf.d
  rm -f "etc/conf.d/$name"
  cat <&3 >"etc/conf.d/$name"
  grep -q "^ *include_dir *=\\\\{0,1\\\\} *'conf.d'" etc/postgresql.conf || echo "include_dir = 'conf.d'" >>etc/postgresql.conf
  cat <&4 >hba
  cat <&5 >ident
else
  cp etc/pg_hba.conf hba
  cp etc/pg_ident.conf ident
fi
real=$("$bin/postgres" -D etc -C data_directory 2>said) || { cat said >&2; exit 1; }
[ -e "$real/PG_VERSION" ] || { echo "data_directory is $real, and there is no cluster in it" >&2; exit 1; }
"$bin/initdb" -D data -N --locale=C -E UTF8 -A trust >said 2>&1 || { cat said >&2; exit 2; }
# ALTER SYSTEM's settings are part of the whole; names of files without a folder are in the data.
cp "$real/postgresql.auto.conf" data/ 2>/dev/null || :
set --
for file in ssl_cert_file ssl_key_file ssl_ca_file ssl_crl_file ssl_dh_params_file; do
  value=$("$bin/postgres" -D etc -C "$file" 2>/dev/null) || continue
  case $value in '' | /*) ;; *) set -- "$@" -c "$file=$real/$value" ;; esac
done
"$bin/postgres" -D data -c config_file="$t/etc/postgresql.conf" -c data_directory="$t/data" -c hba_file="$t/hba" -c ident_file="$t/ident" \\
  -c external_pid_file= -c unix_socket_directories="$t" -c listen_addresses= -c port=5432 -c archive_mode=off -c logging_collector=off \\
  -c log_destination=stderr -c lc_messages=C -c log_min_messages=warning -c huge_pages=try -c cluster_name=hostkit-trial "$@" >log 2>&1 &
pid=$!
tries=0
until [ "$(sed -n '8s/ *$//p' data/postmaster.pid 2>/dev/null)" = ready ]; do
  tries=$((tries + 1))
  if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -ge 600 ]; then
    { grep -E '(FATAL|PANIC|ERROR|HINT|DETAIL|CONTEXT): |^postgres: ' log || cat log; } | sed "s#$t/etc/#$etc/#g; s#$t/hba#pg_hba.conf#g; s#$t/ident#pg_ident.conf#g" | tail -n 12 >&2
    exit 1
  fi
  sleep 0.05
done
if grep -qF "$t/ident" log; then
  grep -B1 -F "$t/ident" log | sed "s#$t/ident#pg_ident.conf#g" | tail -n 12 >&2
  exit 1
fi`);

function tryScript({ major, settings }: PostgresTrialResource): Script {
  const run = sh`${asPostgres} sh -c ${trial.text} try`;
  const rest = sh`${postgresConfigDirectory(major)} ${programDirectory(major)}`;
  const name = settings.path.slice(settings.path.lastIndexOf("/") + 1);
  return sh`status=0
${run} ${name} ${rest} 3<settings.conf 4<hba 5<ident 2>why || status=$?
[ "$status" -ne 0 ] || exit 0
[ -z "$isNew" ] || rm -rf "$record"
case $status in
  1) if ${run} "" ${rest} 3<settings.conf 4<hba 5<ident 2>before; then
      echo "PostgreSQL refuses the new configuration; nothing of it stands on the host:" >&2
    else
      echo "PostgreSQL would not start again with its files as they are, before anything of hostkit's; mend them first:" >&2
      mv before why
    fi ;;
  *) echo "no throw-away server could be made to try the new configuration with; nothing of it stands on the host:" >&2 ;;
esac
cat why >&2
! systemctl is-active -q ${`postgresql@${major}-main.service`} || { answers && echo "PostgreSQL was not touched, and answers" >&2; }
exit 1`;
}
