import { quoteServerOption } from "../../facts/postgres/psql.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { OperationStep } from "../operation.ts";
import type { BackupSet } from "../../facts/postgres/restore.ts";
import { formatUtc } from "./moment.ts";
import { describeTarget } from "./target.ts";
import type { RestoreTarget } from "./target.ts";

/** The cluster that is brought back. */
export interface RestorePlace {
  readonly stack: string;
  readonly major: number;
  /** Where the data really is. */
  readonly data: string;
  readonly port: number;
  /** Folder of its socket. */
  readonly socket: string;
  /** What backups hold while they run. */
  readonly backupLock: string;
}

export interface ClusterRestore {
  readonly place: RestorePlace;
  /** Names this restore. */
  readonly id: string;
  readonly target: RestoreTarget;
  readonly set: BackupSet;
  /** The timeline that the cluster is on; undefined: whichever is the newest in the archive. */
  readonly timeline: number | undefined;
  /** The cluster answers: what it has and the archive has not is archived first. */
  readonly isUp: boolean;
  /** Units that use it, as they run. */
  readonly units: readonly string[];
  /** Who logs in as a service does. */
  readonly logins: readonly {
    readonly user: string;
    readonly role: string;
    readonly database: string;
  }[];
  /** Databases of the manifest and their owners. */
  readonly owners: readonly { readonly role: string; readonly database: string }[];
}

/** A copy of any size takes its time; what hangs for ever is ended. */
export const hours = (count: number, waitsFor: string) => ({ seconds: count * 3600, waitsFor });

/** Its functions, for the scripts of a run: templates/run/restore*.sh. */
function restoreFunctions({ stack, major, data, port, socket, backupLock }: RestorePlace): Script {
  return sh`rs_stack=${stack} rs_major=${major} rs_data=${data} rs_port=${port} rs_socket_folder=${socket} rs_lock=${backupLock}
. "$HOSTKIT_RUN/restore.sh"`;
}

const stepId = (name: string) => `restore:${name}` as const;

export function restoreStep(
  place: RestorePlace,
  name: string,
  title: string,
  script: Script,
  more: Partial<Pick<OperationStep, "bound" | "mayFail" | "because" | "after">> = {},
): OperationStep {
  return {
    id: stepId(name),
    title,
    because: "asked for",
    script: joinScripts([restoreFunctions(place), script]),
    ...more,
  };
}

/** What is committed by now can be had again. */
export function archiveStep(place: RestorePlace): OperationStep {
  return restoreStep(place, "archive", "archive what is committed by now", sh`rs_archive_now`, {
    because: "so that nothing of it is lost",
    mayFail: true,
    bound: hours(1, "the archive"),
  });
}

/** The whole cluster: brought back beside the one that runs, looked at, put in its place. */
export function planClusterRestore(restore: ClusterRestore): OperationStep[] {
  const { place, units } = restore;
  return [
    ...planCopy(restore),
    restoreStep(
      place,
      "swap",
      `put the copy in the cluster's place${units.length === 0 ? "" : `, with ${units.join(" ")} stopped`}`,
      sh`rs_swap ${units}`,
      {
        bound: hours(2, "PostgreSQL to stop and to start"),
        // The backup is of what stands aside from here on.
        after: ["close", ...(restore.isUp ? ["safety"] : [])].map(stepId),
      },
    ),
    ...(units.length === 0
      ? []
      : [
          restoreStep(place, "services", `start ${units.join(" ")}`, sh`rs_start_services`, {
            mayFail: true,
          }),
        ]),
    restoreStep(place, "proof", "log in as the services and as the owners", loginScript(restore)),
  ];
}

/**
 * A copy beside the cluster, recovered to the target and read whole; its server has ended. What is there now is backed up meanwhile: one
 * only reads where the other writes.
 */
function planCopy({ place, id, target, set, timeline, isUp }: ClusterRestore): OperationStep[] {
  return [
    restoreStep(
      place,
      "begin",
      "look that it can be done, and write down that it begins",
      sh`rs_begin ${id} ${describeTarget(target)}`,
    ),
    ...(isUp
      ? [
          archiveStep(place),
          restoreStep(
            place,
            "safety",
            "make an incremental backup",
            sh`rs_safety ${set.repository}`,
            {
              because: "so that what is there now can be had again",
              mayFail: true,
              bound: hours(25, "the backup"),
            },
          ),
        ]
      : []),
    restoreStep(
      place,
      "copy",
      `bring back ${set.label}, beside the cluster`,
      sh`rs_fetch ${listFetchOptions(target, set, timeline)}`,
      { bound: hours(48, "pgBackRest"), after: [stepId(isUp ? "archive" : "begin")] },
    ),
    restoreStep(place, "recover", `replay WAL up to ${describeTarget(target)}`, sh`rs_recover`, {
      bound: hours(48, "the replay of WAL"),
    }),
    restoreStep(place, "check", "count every row of the copy", sh`rs_check`, {
      bound: hours(48, "the count"),
    }),
    restoreStep(place, "close", "end the copy's server", sh`rs_close`, {
      bound: hours(1, "its last checkpoint"),
    }),
  ];
}

/** pgBackRest's words: https://pgbackrest.org/command.html#command-restore */
export function listFetchOptions(
  target: RestoreTarget,
  set: BackupSet,
  timeline: number | undefined,
): string[] {
  // "latest" would follow a timeline that a restore made which was undone.
  const along = timeline === undefined ? [] : [`--target-timeline=${timeline}`];
  const from = [`--repo=${set.repository}`, `--set=${set.label}`];
  switch (target.kind) {
    case "latest":
      return [...from, "--type=default", ...along];
    case "immediate":
      // The one type for which pgBackRest takes no --target-timeline.
      return [
        ...from,
        "--type=immediate",
        "--target-action=promote",
        ...(timeline === undefined
          ? []
          : [`--recovery-option=recovery_target_timeline=${timeline}`]),
      ];
    case "time":
      return [
        ...from,
        "--type=time",
        `--target=${formatUtc(target.milliseconds)}+00`,
        "--target-action=promote",
        ...along,
      ];
    default:
      return [
        ...from,
        `--type=${target.kind}`,
        `--target=${target.value}`,
        "--target-action=promote",
        ...along,
      ];
  }
}

export function loginScript({ logins, owners }: Pick<ClusterRestore, "logins" | "owners">): Script {
  return joinScripts([
    ...owners.map(({ role, database }) => sh`rs_own ${quoteServerOption(role)} ${database}`),
    ...logins.map(({ user, role, database }) => sh`rs_login ${user} ${role} ${database}`),
  ]);
}

/** The data from before the last restore comes back. */
export function planUndo(
  place: RestorePlace,
  proof: Pick<ClusterRestore, "logins" | "owners">,
): OperationStep[] {
  return [
    restoreStep(place, "undo", "put the data from before in the cluster's place", sh`rs_undo`, {
      bound: hours(2, "PostgreSQL to stop and to start"),
    }),
    restoreStep(place, "proof", "log in as the services and as the owners", loginScript(proof)),
  ];
}

/** What a restore left beside the cluster goes; a full backup of what is there now begins. */
export function planConfirm(place: RestorePlace, fullBackup: string | undefined): OperationStep[] {
  return [
    restoreStep(place, "confirm", "remove the data that stands aside", sh`rs_confirm`, {
      bound: hours(2, "the removal"),
    }),
    ...(fullBackup === undefined
      ? []
      : [
          restoreStep(
            place,
            "backup",
            `begin a full backup (${fullBackup})`,
            sh`systemctl start --no-block -- ${fullBackup}`,
            {
              because: "the timeline is a new one",
              mayFail: true,
            },
          ),
        ]),
  ];
}
