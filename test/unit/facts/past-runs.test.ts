import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pastRunFacts } from "../../../src/facts/past-runs.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "hostkit-past-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A run as the runner leaves it. */
function leave(
  runId: string,
  changes: readonly object[],
  events: readonly object[] | string,
): void {
  const run = path.join(folder, "runs", runId);
  mkdirSync(run, { recursive: true });
  writeFileSync(
    path.join(run, "plan.json"),
    `${JSON.stringify({ runId, changes }, undefined, 1)}\n`,
  );
  const text =
    typeof events === "string" ? events : events.map((one) => `${JSON.stringify(one)}\n`).join("");
  writeFileSync(path.join(run, "events"), text);
}

function read(): unknown {
  if (pastRunFacts.group !== undefined) throw new TypeError("it is a group's");
  const stdout = execFileSync("sh", ["-c", pastRunFacts.script([folder], new Map()).text], {
    encoding: "utf8",
  });
  return pastRunFacts.parse(stdout, [folder], new Map()).get(folder);
}

const step = (time: number, change: number, number: number, state: string) => ({
  ...{ time, event: "step", change, step: number, state },
});
const done = (time: number, change: number) => ({ time, event: "change", change, state: "ok" });

test("what the script prints of real folders is what is read", () => {
  const api = {
    id: "release:api",
    action: "update",
    because: 'it says "id": "x:y"',
    steps: ["start it"],
  };
  const lines = { id: "unit:a.service", action: "restart", because: "", steps: ["one", "two"] };
  leave("20260101T000000Z-aaaa", [api], [step(10, 1, 1, "started"), done(14.5, 1)]);
  leave(
    "20260102T000000Z-bbbb",
    [api, lines],
    [
      { time: 1_790_000_000, event: "start" },
      step(1_790_000_000.25, 2, 0, "started"),
      step(1_790_000_000.5, 2, 1, "started"),
      step(1_790_000_001, 1, 1, "started"),
      {
        time: 1_790_000_031,
        event: "waiting",
        change: 1,
        step: 1,
        seconds: 30,
        line: '","change":2,',
      },
      step(1_790_000_002, 2, 1, "ok"),
      done(1_790_000_002.75, 2),
      step(1_790_000_003, 1, 1, "failed"),
      { time: 1_790_000_003, event: "end", state: "failed" },
    ],
  );
  expect(read()).toEqual([
    { action: "restart", id: "unit:a.service", seconds: 2.5 },
    { action: "update", id: "release:api", seconds: 4.5 },
  ]);
});

test.each([
  ["no run at all", () => undefined],
  ["a run without events", () => leave("a", [{ id: "file:/a", action: "create" }], "")],
  [
    "events cut in the middle",
    () => leave("a", [{ id: "file:/a", action: "create" }], '{"time":1,"event":"st'),
  ],
  [
    "events that are something else",
    () => leave("a", [], "\u0000\u0001 took 1 5\nchange create x:y\n"),
  ],
])("%s says nothing", (_name, make) => {
  make();
  expect(read()).toEqual([]);
});

test("however many runs there are, only the newest are read", () => {
  for (let index = 10; index < 50; index += 1)
    leave(
      `run-${index}`,
      [{ id: `file:/${index}`, action: "create" }],
      [step(1, 1, 1, "started"), done(2, 1)],
    );
  const seen = read() as { id: string }[];
  expect(seen).toHaveLength(12);
  expect(seen[0]?.id).toBe("file:/49");
});
