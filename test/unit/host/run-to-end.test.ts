import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { executePlan } from "../../../src/host/run-to-end.ts";
import { assertRunOk } from "../../../src/host/outcome.ts";
import type { Connection } from "../../../src/ssh/connection.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { file } from "../../../src/resources/files/file.ts";
import { ScriptedConnection } from "../../harness/scripted-connection.ts";

const plan = makePlan({
  host: "dx1",
  stack: "t",
  stackDirectory: "/var/lib/hostkit/t",
  resources: [file("/a", "1"), file("/b", "2", { after: ["file:/a"] })],
  facts: new Facts(new Map()),
});

const line = (fields: Record<string, unknown>): string =>
  `${JSON.stringify({ time: 1, ...fields })}\n`;
const begin = line({ event: "start" });
const stepOk = (change: number): string =>
  line({ event: "step", change, step: 1, state: "started" }) +
  line({ event: "step", change, step: 1, state: "ok" }) +
  line({ event: "change", change, state: "ok" });
const end = (state: string): string => line({ event: "end", state });
const unreachable = new HostkitError("host_unreachable", { what: "the link is gone" });

async function run(first: ScriptedConnection, next: readonly Connection[] = []) {
  const further = [...next];
  const notices: string[] = [];
  const outcome = await executePlan(first, plan, {
    runId: "r1",
    holder: "ann@laptop",
    programs: { runner: "#!/bin/sh\n", paths: "", records: "", guard: "", restore: "" },
    pack: (entries) => Readable.from([entries.map((entry) => entry.path).join("\n")]),
    connect: () => {
      const connection = further.shift();
      return connection === undefined ? Promise.reject(unreachable) : Promise.resolve(connection);
    },
    onNotice: (notice) => notices.push(notice),
  });
  return { outcome, notices };
}

const startedLine = "hostkit-run-started\n";
const started = { match: "systemd-run", result: { stdout: startedLine } };

describe("a run is followed to its end", () => {
  test("all well: sent, started and followed in one round trip", async () => {
    const stdout = startedLine + begin + stepOk(1) + stepOk(2) + end("ok");
    const connection = new ScriptedConnection([{ match: "systemd-run", result: { stdout } }]);
    const { outcome } = await run(connection);
    expect(outcome).toMatchObject({ state: "ok", done: ["file:/a", "file:/b"], failed: [] });
    expect(connection.commands).toHaveLength(1);
    expect(connection.commands[0]?.stdin).toContain("runner.sh");
    expect(() => assertRunOk(outcome, "dx1")).not.toThrow();
  });

  test("after a lost link it goes on behind the last line seen, over a new connection", async () => {
    const first = new ScriptedConnection([
      started,
      {
        match: "tail -n",
        result: () => {
          throw unreachable;
        },
      },
    ]);
    const second = new ScriptedConnection([
      { match: "tail -n +1 ", result: { stdout: begin + stepOk(1) }, times: 1 },
      { match: "tail -n +5 ", result: { stdout: stepOk(2) + end("ok") } },
    ]);
    const { outcome, notices } = await run(first, [second]);
    expect(outcome).toMatchObject({ state: "ok", done: ["file:/a", "file:/b"] });
    expect(notices).toHaveLength(2);
  });

  test("a guarded change is confirmed over a connection of its own", async () => {
    const connection = new ScriptedConnection([
      started,
      {
        match: "tail -n",
        result: { stdout: begin + line({ event: "confirm", change: 1, seconds: 5 }) + end("ok") },
      },
    ]);
    const fresh = new ScriptedConnection([{ match: "touch" }]);
    await run(connection, [fresh]);
    expect(fresh.commands.map((command) => command.shellText)).toEqual([
      "[ ! -d /var/lib/hostkit/guards/r1-1 ] || touch /var/lib/hostkit/guards/r1-1/confirmed",
    ]);
    expect(connection.commands.some((command) => command.shellText.includes("touch"))).toBe(false);
  });

  test("a failed step brings its log and its title into the error", async () => {
    const connection = new ScriptedConnection([
      started,
      {
        match: "tail -n +",
        result: {
          stdout:
            begin +
            line({ event: "step", change: 1, step: 1, state: "failed", code: 3 }) +
            end("failed"),
        },
      },
      { match: "c/1/1.log", result: { stdout: "no space left\n" } },
    ]);
    const { outcome } = await run(connection);
    expect(() => assertRunOk(outcome, "dx1")).toThrow(/file:\/a: write \/a failed \(exit 3\)/);
    expect(outcome.failed[0]?.log).toEqual(["no space left"]);
  });

  test.each([
    ["locked", "run_locked", 75],
    ["stale", "plan_stale", 1],
    ["reverted", "run_reverted", 79],
  ] as const)("%s has its own error and exit code", async (state, code, exitCode) => {
    const connection = new ScriptedConnection([
      started,
      { match: "tail -n", result: { stdout: begin + end(state) } },
    ]);
    const { outcome } = await run(connection);
    const error = catchError(() => assertRunOk(outcome, "dx1"));
    expect([error.code, error.exitCode]).toEqual([code, exitCode]);
  });

  test("a runner that is gone without a word is told as such", async () => {
    const connection = new ScriptedConnection([
      started,
      { match: "tail -n", result: { stdout: begin + line({ event: "lost" }) } },
    ]);
    const { outcome } = await run(connection);
    expect(catchError(() => assertRunOk(outcome, "dx1")).code).toBe("run_interrupted");
  });

  test("a host that does not take the bundle has changed nothing and says so", async () => {
    const connection = new ScriptedConnection([
      { match: "systemd-run", result: { code: 1, stderr: "tar: No space left" } },
    ]);
    await expect(run(connection)).rejects.toMatchObject({
      code: "run_failed",
      parts: { details: ["tar: No space left"] },
    });
  });
});

function catchError(work: () => void): HostkitError {
  try {
    work();
  } catch (error) {
    if (error instanceof HostkitError) return error;
  }
  throw new Error("no HostkitError was thrown");
}
