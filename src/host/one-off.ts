import { Readable } from "node:stream";
import { HostkitError } from "../errors.ts";
import { oneOffUnitOf, renderOneOffFiles, wordsOf } from "../stack/services/one-off.ts";
import type { OneOff } from "../stack/services/one-off.ts";
import { prepareScript, refusals } from "../stack/services/one-off-prepare.ts";
import type { Refusal } from "../stack/services/one-off-prepare.ts";
import {
  followScript,
  notRunning,
  signalScript,
  startDetachedScript,
  startScript,
  stopScript,
  watchScript,
} from "../stack/services/one-off-scripts.ts";
import type { Connection, ExecOptions, LocalTerminal } from "../ssh/connection.ts";
import type { OneOffRecord } from "./one-off-records.ts";

/** Milliseconds between two signs of life, and seconds without one after which the host ends the command. */
const signs = { everyMs: 3000, limitSeconds: 20 };

/**
 * Writes the record and lays down what the command needs; nothing of it runs then.
 * @returns why it cannot run; nothing is left on the host then
 * @throws HostkitError run_failed where the host could not write it down
 */
export async function prepareOneOff(
  connection: Connection,
  oneOff: OneOff,
  record: OneOffRecord,
  templates: ReadonlyMap<string, string>,
): Promise<Refusal | undefined> {
  const files = {
    ...renderOneOffFiles(oneOff, templates),
    record: `${JSON.stringify(record)}\n`,
    program: wordsOf(oneOff)[0] ?? "",
  };
  const lines = Object.entries(files).map(
    ([name, text]) => `${name} ${Buffer.from(text).toString("base64")}\n`,
  );
  const { stdout, stderr } = await connection.exec(prepareScript(oneOff).text, {
    stdin: lines.join(""),
  });
  const answer = stdout.trim();
  if (answer === "ready") return undefined;
  const refusal = refusals.find((one) => one === answer);
  if (refusal !== undefined) return refusal;
  throw new HostkitError("run_failed", {
    what: "the command could not be prepared",
    where: connection.description,
    why: "the host did not write it down; nothing of it was begun",
    details: stderr.trim().split("\n").slice(-10),
    next: "free space under /var/lib/hostkit and /run, then the same command again",
  });
}

/** What a command is joined to. */
export type OneOffEnds =
  | { readonly kind: "terminal"; readonly terminal: LocalTerminal }
  | ({ readonly kind: "pipes" } & Required<Pick<ExecOptions, "stdin" | "onStdout" | "onStderr">>);

/**
 * Starts a prepared command and waits for its end. It ends with the connection: the host looks for signs of life from here.
 * @returns its status
 * @throws HostkitError host_unreachable where the connection was lost
 */
export async function runOneOff(
  connection: Connection,
  oneOff: OneOff,
  ends: OneOffEnds,
): Promise<number> {
  const life = await beginSigns(connection, oneOff);
  try {
    const start = startScript(oneOff).text;
    const result =
      ends.kind === "terminal"
        ? await connection.execOnTerminal(start, ends.terminal)
        : await connection.exec(start, ends);
    return result.code ?? 128;
  } catch (error) {
    throw explainLoss(error, oneOff);
  } finally {
    life.end();
  }
}

/** Starts a prepared command that goes on without this machine. */
export async function detachOneOff(connection: Connection, oneOff: OneOff): Promise<void> {
  const { code, stderr } = await connection.exec(startDetachedScript(oneOff).text);
  if (code === 0) return;
  throw new HostkitError("run_failed", {
    what: "the command could not be started",
    where: connection.description,
    details: stderr.trim().split("\n").slice(-10),
    next: `look on the host: journalctl -u ${oneOffUnitOf(oneOff)}`,
  });
}

/** Lets a signal reach the command. It may have ended meanwhile: nobody asks how this went. */
export function signalOneOff(connection: Connection, oneOff: OneOff, signal: "INT"): void {
  connection.exec(signalScript(oneOff, signal).text).catch(() => undefined);
}

/** Which command on which stack. */
export type OneOffRef = Pick<OneOff, "stack" | "stackDirectory" | "id">;

/**
 * Passes on what a detached command has printed, and goes on until its end.
 * @throws HostkitError run_interrupted on abort; run_failed where the journal cannot be read
 */
export async function followOneOff(
  connection: Connection,
  oneOff: OneOffRef,
  options: Required<Pick<ExecOptions, "onStdout" | "signal">>,
): Promise<void> {
  const { code, stderr } = await connection.exec(followScript(oneOff).text, options);
  if (code === 0) return;
  throw new HostkitError("run_failed", {
    what: `what ${oneOff.id} has printed cannot be read`,
    where: connection.description,
    details: stderr.trim().split("\n").slice(-5),
    next: "hostkit runs",
  });
}

/**
 * Ends a command that goes on.
 * @returns false where it does not run (any more)
 * @throws HostkitError run_failed where systemd did not end it
 */
export async function stopOneOff(connection: Connection, oneOff: OneOffRef): Promise<boolean> {
  const { code, stderr } = await connection.exec(stopScript(oneOff).text);
  if (code === 0) return true;
  if (code === notRunning) return false;
  throw new HostkitError("run_failed", {
    what: `${oneOff.id} was not ended`,
    where: connection.description,
    details: stderr.trim().split("\n").slice(-5),
    next: `look on the host: systemctl status ${oneOffUnitOf(oneOff)}`,
  });
}

/** Once the host watches. */
async function beginSigns(
  connection: Connection,
  oneOff: OneOff,
): Promise<{ readonly end: () => void }> {
  const signsOfLife = new Readable({ read: () => undefined });
  const timer = setInterval(() => signsOfLife.push("\n"), signs.everyMs);
  const end = (): void => {
    clearInterval(timer);
    signsOfLife.push(null);
  };
  let stderr = "";
  try {
    await new Promise<void>((resolve, reject) => {
      connection
        .exec(watchScript(oneOff, signs.limitSeconds).text, {
          stdin: signsOfLife,
          onStdout: () => resolve(),
          onStderr: (chunk) => void (stderr = (stderr + chunk.toString("utf8")).slice(0, 4096)),
        })
        .then(
          () =>
            reject(
              new HostkitError("run_failed", {
                what: "the command was not begun: nothing on the host would end it with this connection",
                where: connection.description,
                details: stderr.trim().split("\n"),
              }),
            ),
          reject,
        );
    });
  } catch (error) {
    end();
    throw error;
  }
  return { end };
}

function explainLoss(error: unknown, oneOff: OneOff): unknown {
  if (!(error instanceof HostkitError) || error.code !== "host_unreachable") return error;
  return new HostkitError(
    "host_unreachable",
    {
      ...error.parts,
      why: `${error.parts.why ?? "the connection was lost"}; the host ends the command within ${signs.limitSeconds} s, since it does not go on without its connection`,
      next: `see how it ended: hostkit runs   (${oneOff.id}); what is to go on by itself: --detach`,
    },
    { cause: error },
  );
}
