import { expect, test } from "vitest";
import { makeBundle } from "../../../src/plan/bundle.ts";
import { planControl } from "../../../src/plan/control.ts";
import { makeOperation } from "../../../src/plan/operation.ts";
import { sh } from "../../../src/shell/script.ts";

const place = { host: "h1", stack: "shop", stackDirectory: "/var/lib/hostkit/shop" };
const run = {
  runId: "r1",
  holder: "ann@laptop",
  parallel: 4,
  programs: { runner: "", paths: "", records: "", guard: "", restore: "" },
};

function read(steps: Parameters<typeof makeOperation>[0]["steps"], file: string): string {
  const bundle = makeBundle(makeOperation({ ...place, verb: "clean", steps }), run);
  const content = bundle.find(({ path }) => path === file)?.content;
  return content !== undefined && "text" in content ? content.text : "";
}

const step = (id: `${string}:${string}`, mayFail?: true) => ({
  id,
  title: `do ${id}`,
  because: "asked for",
  script: sh`true`,
  ...(mayFail === undefined ? {} : { mayFail }),
});

test("steps wait for the one before, and those that may fail say so", () => {
  const steps = [step("a:1"), step("a:2", true), step("a:3")];
  expect(read(steps, "changes")).toBe("1|0||\n2|0|1|yes\n3|0|2|\n");
});

test("a step that says what it needs does not wait for the one before", () => {
  const beside = { ...step("a:3"), after: ["a:1" as const] };
  const last = { ...step("a:4"), after: ["a:2", "a:3"] as const };
  expect(read([step("a:1"), step("a:2", true), beside, last], "changes")).toBe(
    "1|0||\n2|0|1|yes\n3|0|1|\n4|0|2 3|\n",
  );
});

test("the state of the stack is neither asked for nor written", () => {
  expect(read([step("a:1")], "settings")).toContain("STATE_HASH=any");
  expect(read([step("a:1")], "state.jsonl")).toBe("");
  expect(read([step("a:1")], "c/1/state")).toBe("");
});

test("who reads the runs is told what was asked for", () => {
  expect(JSON.parse(read([step("a:1")], "plan.json"))).toMatchObject({
    verb: "clean",
    changes: [{ id: "a:1", action: "run", because: "asked for", steps: ["do a:1"] }],
  });
});

test("names of units are words, whatever they hold", () => {
  const [only] = planControl("stop", ["a b.service", "$(x).service"]);
  expect(only?.script.text).toContain("systemctl stop -- 'a b.service' '$(x).service' && exit 0");
});
