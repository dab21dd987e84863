import { readRestoreRecord, restoredFromPath } from "../../facts/backups/restored-from.ts";
import type { RestoreChoice } from "../../facts/backups/restored-from.ts";
import { need } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { idOf } from "../resource.ts";
import type { Bound, Change, Resource, ResourceKind, Step } from "../resource.ts";
import { noteRestored } from "./restored-note.ts";

/** A cluster that is brought back from a repository before it is ever started, where somebody asked for that. */
export interface RestoredClusterResource extends Resource {
  readonly kind: "restored-cluster";
  readonly stack: string;
  readonly stackDirectory: string;
  readonly major: number;
  readonly data: string;
  /** What backups hold while they run. */
  readonly backupLock: string;
  /** Absent: nobody asks for it now. */
  readonly asked?: RestoreChoice;
  /** By a repository's name: its number, and what has to be known before it can be reached. */
  readonly ways: Readonly<Record<string, { readonly number: number; readonly prepare: Script }>>;
}

/** Builds it; its name is the cluster's: `17/main`. */
export function restoredCluster(
  options: Omit<RestoredClusterResource, "kind" | "name">,
): RestoredClusterResource {
  return { kind: "restored-cluster", name: `${options.major}/main`, ...options };
}

export const restoredClusterKind: ResourceKind<RestoredClusterResource> = {
  kind: "restored-cluster",
  group: "database",
  touches: () => ["postgres"],
  needs: ({ stackDirectory }) => [need(textFacts, restoredFromPath(stackDirectory))],

  diff(resource, facts): Change | undefined {
    const { stackDirectory, asked, ways } = resource;
    const record = readRestoreRecord(facts.get(textFacts, restoredFromPath(stackDirectory)));
    const choice = record ?? asked;
    const way = ways[choice?.repository ?? ""];
    if (choice?.postgres === undefined || record?.isDone.postgres === true || way === undefined)
      return undefined;
    const from = `${choice.postgres.set} of ${choice.repository}`;
    return {
      id: idOf(resource),
      action: "run",
      because:
        record === undefined
          ? `its data is to be brought back: ${from}`
          : `a restore was begun and did not come to its end: ${from}`,
      steps: restoreSteps(resource, choice.postgres, way),
    };
  },

  own: () => undefined,
  remove: () => undefined,
};

function restoreSteps(
  resource: RestoredClusterResource,
  { set, timeline }: NonNullable<RestoreChoice["postgres"]>,
  { number, prepare }: RestoredClusterResource["ways"][string],
): Step[] {
  const { stack, major, data, backupLock } = resource;
  const functions = joinScripts([
    sh`rs_stack=${stack} rs_major=${major} rs_data=${data} rs_port=0 rs_socket_folder= rs_lock=${backupLock}
. "$HOSTKIT_RUN/restore.sh"`,
    restoredFunctions,
    noteRestored,
  ]);
  const step = (title: string, script: Script, hours: number, waitsFor: string): Step => ({
    type: "script",
    title,
    script: joinScripts([functions, script]),
    bound: { seconds: hours * 3600, waitsFor } satisfies Bound,
  });
  const options = [
    `--repo=${number}`,
    `--set=${set}`,
    "--type=default",
    `--target-timeline=${timeline}`,
  ];
  return [
    step(
      `bring back ${set}`,
      joinScripts([
        // It may end the shell, and writes into the working directory, which the others leave.
        prepare.text === "" ? prepare : sh`(\n${prepare}\n)`,
        sh`rf_begin
rf_fetch ${options}`,
      ]),
      48,
      "pgBackRest",
    ),
    step("replay WAL up to its end", sh`rf_is_placed || rs_recover`, 48, "the replay of WAL"),
    step("count every row", sh`rf_is_placed || rs_check`, 48, "the count"),
    step(
      "put the data in the cluster's place",
      sh`rf_is_placed || { rs_close; rf_place; }
note_restored postgres
rm -f "$rs_state"`,
      1,
      "PostgreSQL's last checkpoint",
    ),
  ];
}

/**
 * Besides those of templates/run/restore.sh. The copy lies beside the cluster until it is whole; its inode in the restore's state tells
 * whether it has taken its place.
 */
const restoredFunctions = rawScript(`rf_is_placed() { rs_enter; [ "$(rs_served)" = new ]; }

# rf_begin: nothing but a cluster that has never held anything gives way
rf_begin() {
  mkdir -p "$rs_place"
  chmod 700 "$rs_place"
  rf_is_placed && return 0
  # A boot in between starts what is there: the empty one.
  rf_others=$(ls "./$rs_name/base" 2>/dev/null | awk '$1 >= 16384' | head -n 1)
  [ -z "$rf_others" ] || rs_fail "there are databases in $rs_data: nothing takes their place" \\
    "look at them on the host (sudo -u postgres psql -l); to give them up: hostkit uninstall --delete-data, and the same command again"
}

# rf_fetch OPTION…: into the folder beside; what a run that was cut off has fetched is gone on with
rf_fetch() {
  if rf_is_placed; then return 0; fi
  rs_take_lock
  rs_stop_server
  rf_inode=$(rs_inode "./$rs_beside")
  if [ -n "$rf_inode" ] && [ "$rf_inode" = "$(rs_known new)" ]; then
    rs_postgres rm -f "./$rs_beside/postmaster.pid"
    set -- --delta "$@"
  else
    [ ! -e "./$rs_beside" ] || $rs_as rmdir -- "./$rs_beside" 2>/dev/null ||
      rs_fail "\${rs_data%/*}/$rs_beside is there, and nothing says what it is; look at it and take it away"
    : >"$rs_state"
    rs_note target "the newest change"
    rs_make_beside
    rs_note stage begun
  fi
  rs_fill_beside --log-level-file=off "$@"
}

# rf_place: the cluster that never held anything goes, its data comes
rf_place() {
  rs_enter
  [ -d "./$rs_beside" ] && [ "$(rs_inode "./$rs_beside")" = "$(rs_known new)" ] || rs_fail "there is no copy beside $rs_data"
  rs_mark_histories "$rs_beside"
  systemctl stop "$rs_unit"
  rs_postgres rm -f "./$rs_beside/postmaster.opts"
  $rs_as rm -rf -- "./$rs_name"
  $rs_as mv -T -- "./$rs_beside" "./$rs_name" && sync .
  rs_note_timeline
}`);
