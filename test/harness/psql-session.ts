import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { sshArguments } from "../../src/lab/login.ts";

/** One psql on a lab host that stays open: a log-in for every statement would take longer than the test. */
export class PsqlSession {
  readonly #start: () => ChildProcessWithoutNullStreams;
  #child: ChildProcessWithoutNullStreams | null = null;
  #turn = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(host: LabHost, command: string) {
    this.#start = () => {
      const child = spawn("ssh", [...sshArguments(host), command]);
      // Whoever writes to a session that is gone hears of it by its end.
      child.stdin.on("error", () => undefined);
      return child;
    };
  }

  /** The lines that psql prints. Rejects with what PostgreSQL says; the next call opens a new session. */
  async ask(sql: string): Promise<readonly string[]> {
    const answer = this.#last.then(() => this.#ask(sql));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** A server that stops would otherwise wait for it, or break it when it is next used. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.stdin.end("\n\\q\n");
    await closed;
  }

  #ask(sql: string): Promise<readonly string[]> {
    const child = (this.#child ??= this.#start());
    const end = `-- end of answer ${(this.#turn += 1)}`;
    return new Promise((resolve, reject) => {
      let out = "";
      let complaint = "";
      const onOut = (part: Buffer): void => {
        out += part.toString();
        if (!out.endsWith(`${end}\n`)) return;
        finish();
        resolve(out.split("\n").filter((line) => line !== "" && line !== end));
      };
      const onComplaint = (part: Buffer): void => {
        complaint += part.toString();
      };
      // psql stops at the first error (ON_ERROR_STOP).
      const onClose = (): void => {
        this.#child = null;
        finish();
        reject(new Error(`${sql}\n${out}\n${complaint}`));
      };
      const finish = (): void => {
        child.stdout.off("data", onOut);
        child.stderr.off("data", onComplaint);
        child.off("close", onClose);
      };
      child.stdout.on("data", onOut);
      child.stderr.on("data", onComplaint);
      child.on("close", onClose);
      child.stdin.write(`${sql.trim().replace(/;$/, "")};\n\\echo '${end}'\n`);
    });
  }
}
