import { expect, test } from "vitest";
import { listOneOffs } from "../../../src/host/one-off-records.ts";
import { ScriptedConnection } from "../../harness/scripted-connection.ts";

const first = {
  id: "1",
  verb: "exec",
  service: "api",
  words: ["ls", "a b"],
  by: "ann@desk",
  detached: false,
};
const pack = (lines: readonly (object | string)[]): string =>
  Buffer.from(
    lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""),
  ).toString("base64");

test.each([
  { what: "goes on", active: "yes", lines: [first, { at: 5 }], state: "running" },
  { what: "ended", active: "no", lines: [first, { at: 5 }, { ended: 9, code: 3 }], state: "ended" },
  {
    what: "ended with its connection",
    active: "no",
    lines: [first, { at: 5 }, { ended: 9, code: 143, left: true }],
    state: "left",
  },
  {
    what: "lost in a power cut",
    active: "no",
    lines: [first, { at: 5 }, '{"ended":'],
    state: "lost",
  },
  { what: "never begun", active: "no", lines: [first, "garbage", { at: 5 }], state: "lost" },
])("one that $what", async ({ active, lines, state }) => {
  const stdout = `one-off ${active} ${pack(lines)}\n`;
  const connection = new ScriptedConnection([{ match: "/one-offs", result: { stdout } }]);
  const [found] = await listOneOffs(connection, "s", "/var/lib/hostkit/s");
  expect(found).toMatchObject({ ...first, at: 5, state });
});

test("what is no record is left out", async () => {
  const stdout = `one-off no ${pack(["x"])}\none-off no ${pack([first])}\none-off no\n`;
  const connection = new ScriptedConnection([{ match: "/one-offs", result: { stdout } }]);
  expect(await listOneOffs(connection, "s", "/var/lib/hostkit/s")).toEqual([]);
});
