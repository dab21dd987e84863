import { HostkitError } from "../../errors.ts";
import { assertRunOk } from "../../host/outcome.ts";
import { nameRestore } from "../../facts/postgres/restore.ts";
import type { RestoreState } from "../../facts/postgres/restore.ts";
import { makeOperation } from "../../plan/operation.ts";
import type { OperationStep } from "../../plan/operation.ts";
import { planConfirm, planUndo } from "../../plan/restore/postgres.ts";
import { formatBytes } from "../../report/bytes.ts";
import { formatSeconds } from "../../report/duration.ts";
import { chooseOneHost } from "../../session/one-host.ts";
import { openProject } from "../../session/project.ts";
import type { Project } from "../../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../../session/watch-run.ts";
import type { Connection } from "../../ssh/connection.ts";
import { listBackupJobs } from "../../stack/backups/jobs.ts";
import type { Verb } from "../line/verb.ts";
import { assertBackedUp, lookAtCluster, usersOfDatabase } from "./cluster.ts";
import type { SeenCluster } from "./cluster.ts";

interface SettleOptions {
  readonly yes?: boolean;
}

/** What is done with a restore that waits for a word, and what is said of it. */
interface Settling {
  readonly verb: "confirm" | "undo";
  /** Stages in which it can be done. */
  readonly stages: readonly RestoreState["stage"][];
  readonly question: (state: RestoreState, now: number) => string;
  readonly steps: (seen: SeenCluster, project: Project) => OperationStep[];
  /** Whether the host is so, by a look after the run. */
  readonly isDone: (state: RestoreState | undefined, before: RestoreState) => boolean;
  readonly done: (before: RestoreState) => string;
}

const undo: Settling = {
  verb: "undo",
  stages: ["begun", "swapping", "swapped"],
  question: (state, now) =>
    state.stage === "begun"
      ? `${nameRestore(state)} was not put in place; take away what it left?`
      : state.served === "old"
        ? `The data from before ${nameRestore(state)} is served; start all that uses it?`
        : `Go back to the data from before ${nameRestore(state)}? What was written since${state.swapped === undefined ? "" : ` (${formatSeconds(now - state.swapped)})`} stands aside then, until hostkit restore confirm.`,
  steps: (seen, { manifest }) => {
    const { database } = seen.restore.state ?? {};
    return planUndo(
      seen.place,
      database === undefined ? seen.proof : usersOfDatabase(manifest, database, seen).proof,
    );
  },
  isDone: (state, before) =>
    before.stage === "begun"
      ? state === undefined
      : state?.stage === "undone" && state.served === "old",
  done: ({ stage }) =>
    stage === "begun"
      ? "what the restore left is gone; nothing of it was ever in place"
      : "the data from before is served again; the restored data stands aside until hostkit restore confirm",
};

const confirm: Settling = {
  verb: "confirm",
  stages: ["swapping", "swapped", "undone", "confirming"],
  question: ({ target, kind, database, served, asideBytes }) =>
    `${tellConfirm(served, `${kind === "database" ? `restored in ${database ?? ""}` : "restored"} to ${target}`)}${asideBytes === undefined ? "" : ` (${formatBytes(asideBytes)})`}?`,
  steps: ({ place, restore }, { manifest }) =>
    planConfirm(
      place,
      // A cluster is on a new timeline then; a database is not.
      restore.state?.kind === "database"
        ? undefined
        : listBackupJobs(manifest).find(({ tool }) => tool === "postgres")?.service,
    ),
  isDone: (state) => state === undefined,
  done: () => "nothing stands aside any more",
};

function tellConfirm(served: RestoreState["served"], restored: string): string {
  return served === "new"
    ? `Keep what was ${restored}, and remove the data from before`
    : `Keep the data from before, and remove what was ${restored}`;
}

/** Goes back to the data from before the last restore. */
export const runRestoreUndo = settleWith(undo);

/** Keeps what is served and removes what stands aside. */
export const runRestoreConfirm = settleWith(confirm);

function explainNothingWaits(
  { verb }: Settling,
  where: string,
  state: RestoreState | undefined,
): HostkitError {
  return new HostkitError("usage", {
    what: `there is no restore to ${verb}`,
    where,
    why:
      state === undefined
        ? "none waits for a word"
        : `${nameRestore(state)} ${state.stage === "undone" ? "was undone" : "was not put in place"}`,
    next: "hostkit runs",
  });
}

/** @throws HostkitError proof_failed where the host is not as the run should have left it */
async function assertSettled(
  { verb, isDone }: Settling,
  before: RestoreState,
  connection: Connection,
  project: Project,
): Promise<void> {
  const { restore } = await lookAtCluster(connection, project);
  if (isDone(restore.state, before)) return;
  throw new HostkitError("proof_failed", {
    what: `the run ended well, and what hostkit restore ${verb} does is not done`,
    where: connection.description,
    next: `hostkit restore ${verb}`,
  });
}

function settleWith(settling: Settling): Verb<SettleOptions> {
  return async (context, options) => {
    const project = await openProject(context);
    assertBackedUp(project.manifest);
    const { stack } = project.manifest;
    const host = chooseOneHost(project, `hostkit restore ${settling.verb}`);
    const connection = await host.connect();
    try {
      const seen = await lookAtCluster(connection, project);
      const { state } = seen.restore;
      if (state === undefined || !settling.stages.includes(state.stage))
        throw explainNothingWaits(settling, host.name, state);
      await confirmOrRefuse(context, settling.question(state, seen.now), options.yes === true);
      const plan = makeOperation({
        ...{ verb: `restore ${settling.verb}`, host: host.name, stack },
        ...{ stackDirectory: project.stackDirectory, steps: settling.steps(seen, project) },
      });
      const outcome = await showRuns(context, project, async (show) =>
        executeRun(context, project, host, connection, plan, show),
      );
      assertRunOk(outcome, host.name);
      await assertSettled(settling, state, connection, project);
      const warnings = outcome.failed.map(
        ({ title, log }) => `${title}: ${log.at(-1) ?? "failed"}`,
      );
      if (context.options.json === true) {
        const { target } = state;
        context.print(JSON.stringify({ done: true, host: host.name, target, warnings }));
        return;
      }
      const { colors } = context;
      for (const line of warnings) context.print(`${colors.yellow("!")} ${host.name}: ${line}`);
      context.print(`${colors.green("✓")} ${host.name}: ${settling.done(state)}`);
    } finally {
      await connection.close();
    }
  };
}
