import { expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { hashText } from "../../../src/facts/files/hash.ts";
import { findLeft, guardsDirectory, settlingPlan } from "../../../src/plan/guards.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { beginLine, ownLine } from "../../../src/plan/state.ts";
import { file } from "../../../src/resources/files/file.ts";

const stackDirectory = "/var/lib/hostkit/t";
const owned = { kind: "file", name: "/a", path: "/a" };
const state = beginLine(owned, "again");

function look(present: Readonly<Record<string, unknown>>) {
  const facts = Facts.of(
    [
      textFacts,
      {
        [`${stackDirectory}/state.jsonl`]: state,
        [`${stackDirectory}/unfinished`]: "due file:/a\n",
      },
    ],
    [fileFacts, present],
  );
  const plan = makePlan({
    host: "h",
    stack: "t",
    stackDirectory,
    resources: [file("/a", "x")],
    facts,
  });
  return { plan, facts };
}

const asWanted = {
  "/a": {
    type: "file",
    mode: "0644",
    owner: "root",
    group: "root",
    size: 1,
    sha256: hashText("x"),
  },
};

test("a run that settles a guard leaves alone what says that something is still to be done", () => {
  const { plan, facts } = look({ [guardsDirectory]: { type: "directory" } });
  expect(findLeft(plan, facts)).toEqual({ guard: true, marks: false });
  expect(settlingPlan(plan)).toMatchObject({ changes: [], stateHash: "any" });
});

test("marks of what is as it should be are taken away, and what was begun is made", () => {
  const { plan, facts } = look(asWanted);
  expect(findLeft(plan, facts)).toEqual({ guard: false, marks: true });
  expect(settlingPlan(plan)).toMatchObject({
    changes: [],
    stateHash: hashText(state),
    state: ownLine(owned),
  });
});
