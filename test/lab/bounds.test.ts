import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { Connection } from "../../src/ssh/connection.ts";
import { executePlan } from "../../src/host/run-to-end.ts";
import type { RunOutcome } from "../../src/host/run-to-end.ts";
import { assertRunOk } from "../../src/host/outcome.ts";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { packBundle } from "../../src/local/pack.ts";
import { readRunPrograms } from "../../src/local/templates.ts";
import type { RunEvent } from "../../src/plan/events.ts";
import { makeOperation } from "../../src/plan/operation.ts";
import type { OperationStep } from "../../src/plan/operation.ts";
import { tryUnitFile } from "../../src/resources/units/unit-file.ts";
import { rawScript } from "../../src/shell/script.ts";
import { makeSshHome, type SshHome } from "../harness/ssh-client.ts";

/** No step of a run goes on for ever, and one that takes long says that it goes on. */
let home: SshHome;
let host: LabHost;
let connection: Connection;
const dial = () => {
  const { name, address, keyPath, hostKey } = host;
  return connect({ name, address, user: "root", identity: keyPath, hostKey }, home.options());
};

beforeAll(async () => {
  home = makeSshHome();
  host = await upLabHost({ name: `bounds-${process.pid}`, os: "debian-12" });
  connection = await dial();
});
afterAll(async () => {
  await connection.close();
  await downLabHost(host.name);
  home.remove();
});

async function carryOut(
  step: Omit<OperationStep, "id" | "because">,
): Promise<{ outcome: RunOutcome; events: RunEvent[] }> {
  const events: RunEvent[] = [];
  const plan = makeOperation({
    verb: "test",
    host: host.name,
    stack: "bounds",
    stackDirectory: "/var/lib/hostkit/bounds",
    steps: [{ id: "run:step", because: "asked for", ...step }],
  });
  const outcome = await executePlan(connection, plan, {
    connect: dial,
    onEvent: (event) => void events.push(event),
    runId: `20260101T000000Z-${randomBytes(2).toString("hex")}`,
    holder: "test",
    programs: await readRunPrograms(),
    pack: packBundle,
  });
  return { outcome, events };
}

const left = async () =>
  (
    await runOnLabHost(
      host,
      "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 987[1-4]' || :",
    )
  ).stdout.trim();

describe("a step", () => {
  test.each([
    ["waits for something that never comes", "echo looking for it; sleep 9871 & sleep 9872"],
    [
      "does not listen to SIGTERM",
      "trap '' TERM; (trap '' TERM; sleep 9873) & while :; do sleep 9874; done",
    ],
  ])(
    "that %s is ended with all that it started, and says what it waited for",
    async (_, script) => {
      const { outcome, events } = await carryOut({
        title: "ask the oracle",
        script: rawScript(script),
        bound: { seconds: 2, waitsFor: "the oracle" },
      });
      expect(events.filter((event) => event.event === "step" && event.state === "failed")).toEqual([
        expect.objectContaining({ expired: 2, code: 124 }),
      ]);
      expect(() => assertRunOk(outcome, "h1")).toThrow(
        expect.objectContaining({
          parts: expect.objectContaining({
            what: "run:step: ask the oracle did not end within 2 s and was ended",
            why: expect.stringContaining("it waited for the oracle"),
          }),
        }),
      );
      expect(await left()).toBe("0");
    },
  );

  test("that takes long says so, with its last line and no control characters", async () => {
    const { outcome, events } = await carryOut({
      title: "work",
      script: rawScript(`printf 'half "way"\\033[2J \\\\done\\n'; sleep 33`),
      bound: { seconds: 100, waitsFor: "work" },
    });
    expect(outcome.state).toBe("ok");
    expect(events.filter((event) => event.event === "waiting")).toEqual([
      expect.objectContaining({ change: 1, step: 1, seconds: 30, line: "half way[2J done" }),
    ]);
  });

  test("fails with its own status, and reads its input to the end", async () => {
    const { outcome } = await carryOut({ title: "fail", script: rawScript("cat; exit 7") });
    expect(outcome.failed[0]).toMatchObject({ code: 7 });
    expect(outcome.failed[0]?.expired).toBeUndefined();
  });
});

/** In the real systemd: what it says it would not start never stands where a boot would read it. */
test.each([
  ["x.service", "[Service]\nExecStart=/bin/true\n", undefined],
  ["x.service", "[Service]\nExecStart=/opt/comes/later\n", undefined],
  ["x.service", "[Service]\nType=simple\n", undefined],
  ["x@.service", "[Service]\nExecStart=/bin/echo %i\n", undefined],
  ["x.timer", "[Timer]\nOnCalendar=daily\nUnit=x.service\n", undefined],
  ["ssh.service.d/x.conf", "[Service]\nNice=5\n", undefined],
  ["not-there.service.d/x.conf", "[Service]\nType=bogus\nExecStart=/a\n", undefined],
  ["x.service", "[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/true\n", "isn't allowed"],
  ["x@.service", '[Service]\nExecStart=relative "\n', "fatal error"],
  ["x.timer", "[Timer]\nOnCalendar=bogus\n", "lacks value setting"],
  ["ssh.service.d/x.conf", "[Service]\nType=oneshot\nRestart=always\n", "isn't allowed"],
] as const)("%s with %j is tried by systemd", async (name, text, refusal) => {
  const script = tryUnitFile(`/etc/systemd/system/${name}`, { text })
    .flatMap((step) => (step.type === "script" ? [step.script.text] : []))
    .join("\n");
  const { exitCode, stderr } = await runOnLabHost(
    host,
    `cd "$(mktemp -d)"; printf '%s' '${text}' >unit-file; set -eu; ${script}`,
  );
  expect(exitCode).toBe(refusal === undefined ? 0 : 1);
  expect(stderr).toContain(refusal ?? "");
});
