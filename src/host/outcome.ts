import { HostkitError } from "../errors.ts";
import { backupHolder } from "../facts/lock.ts";
import type { FailedStep, RunOutcome } from "./run-to-end.ts";

/**
 * Turns an outcome that is not "ok" into the error a user reads.
 * @param host the manifest's name of the host
 * @throws HostkitError run_failed, run_reverted, run_locked, plan_stale, run_interrupted
 */
export function assertRunOk(outcome: RunOutcome, host: string): void {
  const { run, state } = outcome;
  const where = `${host}, run ${run.runId}`;
  if (state === "ok") return;
  if (state === "locked")
    throw explainLocked(where, "it took the lock first; nothing was changed by this one");
  if (state === "stale") throw explainStale(where);
  if (state === "lost") throw explainLost(where, outcome.done.length);
  if (state === "full") throw explainFull(where);
  const [stuck] = outcome.stuck;
  if (stuck !== undefined) throw explainStuck(stuck, where);
  if (state === "reverted") throw explainReverted(outcome.reverted, where);
  throw explainFailed(outcome, where);
}

function explainStale(where: string): HostkitError {
  return new HostkitError("plan_stale", {
    what: "the host changed between the plan and the run",
    where,
    why: "another run finished in the meantime; nothing was changed by this one",
    next: "run the same command again",
  });
}

function explainLost(where: string, done: number): HostkitError {
  return new HostkitError("run_interrupted", {
    what: "the run ended without a word",
    where,
    why: `the host was rebooted, lost power or the runner was killed; done so far: ${done} changes`,
    next: "run the same command again: it goes on where this run stopped",
  });
}

function explainFull(where: string): HostkitError {
  return new HostkitError("disk_full", {
    what: "the host has no room to write down what a run does",
    where,
    why: "nothing was changed",
    next: "free space under /var on the host, then run the same command again",
  });
}

function explainReverted(reverted: RunOutcome["reverted"], where: string): HostkitError {
  return new HostkitError("run_reverted", {
    what: `the host put back ${reverted.join(", ")}, and looked that the old state is there`,
    where,
    why: "the change was not confirmed over a new connection in time: with it, this machine could no longer log in",
    next: "check the firewall and ssh settings in the manifest; everything done before that change stays",
  });
}

/** The first change that failed is what it is about; what failed beside it is in the details. */
function explainFailed({ run, failed, done }: RunOutcome, where: string): HostkitError {
  const logs = `${run.stackDirectory}/runs/${run.runId}`;
  const [first] = failed;
  const others = failed
    .slice(1)
    .flatMap((step) => [
      `also failed: ${step.id}: ${describeFailure(step)}`,
      ...step.log.map((line) => `  ${line}`),
    ]);
  return new HostkitError("run_failed", {
    what: first === undefined ? "the run failed" : `${first.id}: ${describeFailure(first)}`,
    where,
    why: [
      ...(first?.expired?.waitedFor === undefined
        ? []
        : [`it waited for ${first.expired.waitedFor}`]),
      ...(first?.cause === undefined ? [] : [first.cause.replace(/[;,]+$/, "")]),
      `${countChanges(done.length)} made before it, the rest was not begun`,
    ].join("; "),
    details: [...(first?.log ?? []), ...others],
    next: `mend the cause and run the same command again: it goes on from here (logs on the host: ${logs})`,
  });
}

function countChanges(count: number): string {
  return count === 1 ? "1 change was" : `${count} changes were`;
}

/** Nothing else is as urgent: the operator may be about to be locked out, or the firewall is not what anybody wanted. */
function explainStuck(stuck: FailedStep, where: string): HostkitError {
  return new HostkitError("run_failed", {
    what: `${stuck.id} could NOT be put back: the old state is not there`,
    where,
    why: "nobody confirmed the change over a new connection, and taking it back failed; the host tries again every few seconds, at each boot and with each run",
    details: stuck.log,
    next: "keep the connection you have, look at it on the host (ls /var/lib/hostkit/guards), mend the cause, then run the same command again",
  });
}

function describeFailure({ title, code, expired }: FailedStep): string {
  return expired === undefined
    ? `${title} failed (exit ${code})`
    : `${title} did not end within ${expired.seconds} s and was ended`;
}

/**
 * What is said where another run holds the stack's lock.
 * @param why who it is, as the lock on the host says
 */
export function explainLocked(where: string, why: string): HostkitError {
  const isBackup = why === backupHolder;
  return new HostkitError("run_locked", {
    what: isBackup
      ? "a backup copies volumes of this stack at a moment of rest"
      : "another run is going on for this stack",
    where,
    why,
    next: isBackup ? "the same command again in a moment" : "hostkit attach",
  });
}
