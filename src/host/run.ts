import type { Readable } from "node:stream";
import { HostkitError } from "../errors.ts";
import { runDirectoryOf } from "../plan/bundle.ts";
import { guardsDirectory } from "../plan/guards.ts";
import type { RunManifest } from "../plan/bundle.ts";
import { parseRunEvent } from "../plan/events.ts";
import { condenseLog, findCause } from "../plan/log-cause.ts";
import type { RunEvent } from "../plan/events.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";

/** Which run on which stack. */
export interface RunRef {
  readonly stackDirectory: string;
  readonly stack: string;
  readonly runId: string;
}

const startedLine = "hostkit-run-started";

/**
 * Uploads a bundle, starts it as a transient unit, and follows it as `followRun` does, in one round trip. Once it is started the
 * host goes on by itself; where the connection breaks then, it is to be followed over another one.
 * @param bundle tar stream of the bundle's files
 * @throws HostkitError run_failed when the host would not take or start it; nothing was changed then
 */
export async function startRun(
  connection: Connection,
  run: RunRef,
  bundle: Readable,
  onEvent: (event: RunEvent) => void,
  onLine: () => void = () => {},
): Promise<void> {
  const directory = runDirectoryOf(run.stackDirectory, run.runId);
  const start = sh`set -eu
umask 077
mkdir -p ${directory}
tar -x -C ${directory} -f -
systemd-run --quiet --collect --unit=${unitOfRun(run)} --description=${`hostkit run ${run.runId}`} --property=OOMScoreAdjust=-500 --property=KillMode=mixed /bin/sh ${`${directory}/runner.sh`}
echo ${startedLine}
set +eu`;
  const follower = new Follower(onEvent, onLine);
  try {
    const result = await connection.exec(joinScripts([start, followScript(directory, 1)]).text, {
      stdin: bundle,
      onStdout: follower.take,
      signal: follower.over,
    });
    if (follower.hasStarted) return;
    throw new HostkitError("run_failed", {
      what: "the run could not be started",
      where: connection.description,
      why: "the host did not take the bundle; nothing was changed",
      details: result.stderr.trim().split("\n").slice(-10),
      next: `free space under /var/lib/hostkit, then run the same command again`,
    });
  } catch (error) {
    const isLost = error instanceof HostkitError && error.code === "host_unreachable";
    if (!follower.hasEnded && !(follower.hasStarted && isLost)) throw error;
  }
}

/** Whether the host took a run whose start nobody saw; what came of it half is cleared away. */
export async function wasStarted(connection: Connection, run: RunRef): Promise<boolean> {
  const directory = runDirectoryOf(run.stackDirectory, run.runId);
  const { stdout } = await connection.exec(
    sh`if [ -e ${`${directory}/pid`} ] || systemctl is-active -q ${unitOfRun(run)}; then echo started; else rm -rf ${directory}; fi`
      .text,
    { onRepeat: () => undefined },
  );
  return stdout.includes("started");
}

/** A pattern of the units of all runs of a stack. */
export function unitsOfRuns(stackDirectory: string): string {
  return unitOfRun({
    stack: stackDirectory.slice(stackDirectory.lastIndexOf("/") + 1),
    runId: "*",
  });
}

/** The transient unit of a run. */
export function unitOfRun(run: Pick<RunRef, "stack" | "runId">): string {
  return `hostkit-run-${run.stack}-${run.runId}.service`;
}

/**
 * Passes on events from line `from` (1 = first) until the run ends or the connection breaks.
 * The last event passed on is `end` or `lost` where the run is over.
 * @param removesItself a folder that is gone is the last act of a run that ended well
 */
export async function followRun(
  connection: Connection,
  run: RunRef,
  from: number,
  onEvent: (event: RunEvent) => void,
  onLine: () => void = () => {},
  removesItself = false,
): Promise<void> {
  const directory = runDirectoryOf(run.stackDirectory, run.runId);
  const follower = new Follower(onEvent, onLine);
  try {
    const { code } = await connection.exec(followScript(directory, from).text, {
      onStdout: follower.take,
      signal: follower.over,
    });
    if (code === folderIsGone)
      onEvent(removesItself ? { time: 0, event: "end", state: "ok" } : { time: 0, event: "lost" });
  } catch (error) {
    if (!follower.hasEnded) throw error;
  }
}

const folderIsGone = 3;

/** Prints the run's events as they come, to its end. */
function followScript(directory: string, from: number): Script {
  return sh`cd ${directory} 2>/dev/null || exit ${folderIsGone}
i=0
while [ ! -e pid ] || [ ! -e events ]; do
  i=$((i + 1))
  [ "$i" -gt 500 ] && break
  sleep 0.02
done
[ -e events ] && tail -n ${`+${from}`} -s 0.1 -f --pid="$(cat pid)" events
tail -n 1 events 2>/dev/null | grep -q ${'"event":"end"'} || echo ${'{"time":0,"event":"lost"}'}`;
}

const maxEventBytes = 64 * 1024;
/** A run has some hundred changes with a few events each. */
const maxEvents = 100_000;

/** Reads what `followScript` prints. */
class Follower {
  hasStarted = false;
  hasEnded = false;
  readonly #over = new AbortController();
  readonly #decoder = new TextDecoder();
  readonly #onEvent: (event: RunEvent) => void;
  readonly #onLine: () => void;
  #rest = "";
  #events = 0;

  constructor(onEvent: (event: RunEvent) => void, onLine: () => void) {
    this.#onEvent = onEvent;
    this.#onLine = onLine;
  }

  /** Aborted when the run is over: nothing more will come. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  readonly take = (chunk: Buffer): void => {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#events += lines.length;
    if (this.#rest.length > maxEventBytes || this.#events > maxEvents)
      throw new HostkitError("run_failed", {
        what: "what the host sends is no list of a run's events",
        why: `a line has more than ${maxEventBytes / 1024} KiB, or there are more than ${maxEvents} of them`,
        next: "the run itself goes on on the host; look at it there: hostkit runs",
      });
    for (const line of lines) {
      if (line === startedLine) {
        this.hasStarted = true;
        continue;
      }
      const event = parseRunEvent(line);
      if (event?.event !== "lost") this.#onLine();
      if (event === undefined || this.hasEnded) continue;
      this.#onEvent(event);
      if (event.event === "end" || event.event === "lost") {
        this.hasEnded = true;
        this.#over.abort();
      }
    }
  };
}

/** Folder of a guard on the host: it does not go with the run. */
function guardDirectoryOf(run: RunRef, change: number): string {
  return `${guardsDirectory}/${run.runId}-${change}`;
}

/** Tells the host that a guarded change is good. Call it over a connection made after the change. */
export async function confirmChange(
  connection: Connection,
  run: RunRef,
  change: number,
): Promise<void> {
  const guard = guardDirectoryOf(run, change);
  await connection.exec(sh`[ ! -d ${guard} ] || touch ${`${guard}/confirmed`}`.text);
}

/** Why a guard of an earlier run is stuck. */
export async function readGuardLog(connection: Connection, run: RunRef): Promise<string[]> {
  const path = `${runDirectoryOf(run.stackDirectory, run.runId)}/guards.log`;
  return readLines(connection, path, 20);
}

/** More of a log is not sent: its beginning, where causes stand, and its end. */
const longestLog = { whole: 192 * 1024, head: 128 * 1024, tail: 64 * 1024 };

/** What a step's log tells: the first cause, and the last lines without progress. */
export async function readStepLog(
  connection: Connection,
  run: RunRef,
  change: number,
  step: number,
): Promise<{ readonly lines: readonly string[]; readonly cause?: string }> {
  const path = `${runDirectoryOf(run.stackDirectory, run.runId)}/c/${change}/${step}.log`;
  const { whole, head, tail } = longestLog;
  const result = await connection.exec(
    sh`f=${path}
if [ "$(wc -c <"$f")" -le ${whole} ]; then cat "$f"; else head -c ${head} "$f"; echo; tail -c ${tail} "$f"; fi`
      .text,
    { onRepeat: () => undefined },
  );
  const cause = findCause(result.stdout);
  return { lines: condenseLog(result.stdout), ...(cause === undefined ? {} : { cause }) };
}

async function readLines(connection: Connection, path: string, lines: number): Promise<string[]> {
  const result = await connection.exec(sh`tail -n ${lines} ${path}`.text, {
    onRepeat: () => undefined,
  });
  return result.stdout.split("\n").filter((line) => line.trim() !== "");
}

export interface RunSummary {
  readonly manifest: RunManifest;
  /** "running", "lost", or how it ended. */
  readonly state: string;
  /** Seconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt?: number;
}

/** The runs kept on the host, oldest first: the audit log. */
export async function listRuns(
  connection: Connection,
  stack: string,
  stackDirectory: string,
): Promise<RunSummary[]> {
  const result = await connection.exec(
    sh`for d in ${stackDirectory}/runs/*/; do
  [ -e "$d/plan.json" ] || continue
  id=$(basename "$d")
  active=no; systemctl is-active -q ${`hostkit-run-${stack}-`}"$id".service && active=yes
  echo "run $active $(base64 -w0 <"$d/plan.json") $(head -n 1 "$d/events" | base64 -w0) $(tail -n 1 "$d/events" | base64 -w0)"
done`.text,
    { onRepeat: () => undefined },
  );
  return result.stdout
    .split("\n")
    .filter((line) => line.startsWith("run "))
    .map(parseRunLine)
    .filter((run) => run !== undefined);
}

function parseRunLine(line: string): RunSummary | undefined {
  const [, active, plan, first, last] = line.split(" ");
  try {
    const manifest = JSON.parse(decode(plan)) as RunManifest;
    const start = parseRunEvent(decode(first));
    const end = parseRunEvent(decode(last));
    const isOver = end?.event === "end";
    return {
      manifest,
      state: isOver ? end.state : active === "yes" ? "running" : "lost",
      startedAt: start?.time ?? 0,
      ...(isOver ? { endedAt: end.time } : {}),
    };
  } catch {
    return undefined;
  }
}

function decode(text: string | undefined): string {
  return Buffer.from(text ?? "", "base64")
    .toString("utf8")
    .trim();
}
