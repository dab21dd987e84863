import { describe, expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import { contentFacts, fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { hashText } from "../../../src/facts/files/hash.ts";
import { postgresFacts } from "../../../src/facts/postgres/postgres.ts";
import { swapFacts } from "../../../src/facts/system/swap.ts";
import { makeBundle } from "../../../src/plan/bundle.ts";
import { orderResources } from "../../../src/plan/order.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { findOrphans, makeRemovalPlan } from "../../../src/plan/removals.ts";
import { beginLine, disownLine, ownLine, parseState } from "../../../src/plan/state.ts";
import { parseUnfinished } from "../../../src/plan/unfinished.ts";
import { directory } from "../../../src/resources/files/directory.ts";
import { file } from "../../../src/resources/files/file.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { swapFile } from "../../../src/resources/system/swap.ts";

const stackDirectory = "/var/lib/hostkit/t";
const nothing = new Facts(new Map());

function plan(resources: readonly Resource[], facts = nothing) {
  return makePlan({ host: "h", stack: "t", stackDirectory, resources, facts });
}

const present = (path: string, text: string) => ({
  [path]: {
    type: "file",
    mode: "0644",
    owner: "root",
    group: "root",
    size: text.length,
    sha256: hashText(text),
  },
});

describe("order", () => {
  test("what waits comes later, ties keep their order", () => {
    const a = file("/a", "", { after: ["file:/c"] });
    const b = file("/b", "");
    const c = file("/c", "", { after: ["file:/b"] });
    expect(orderResources([a, b, c]).map((resource) => resource.name)).toEqual(["/b", "/c", "/a"]);
  });

  test("circles, unknown names and doubles are mistakes", () => {
    expect(() => orderResources([file("/a", "", { after: ["file:/a"] })])).toThrow(
      /file:\/a → file:\/a/,
    );
    expect(() => orderResources([file("/a", "", { after: ["file:/b"] })])).toThrow(
      /waits for file:\/b/,
    );
    expect(() => orderResources([file("/a", ""), file("/a", "x")])).toThrow(/two resources/);
  });
});

describe("plan", () => {
  test("waits go through resources that need no change", () => {
    const resources = [
      file("/a", "1"),
      file("/b", "2", { after: ["file:/a"] }),
      file("/c", "3", { after: ["file:/b"] }),
    ];
    const { changes } = plan(resources, Facts.of([fileFacts, present("/b", "2")]));
    expect(changes.map((change) => [change.id, change.waitsFor])).toEqual([
      ["file:/a", []],
      ["file:/c", ["file:/a"]],
    ]);
  });

  test("a file that another program made is kept before it is replaced; our own is not", () => {
    const state = ownLine({ kind: "file", name: "/a", path: "/a" });
    const first = plan([file("/a", "x")]).changes[0]?.steps[0];
    const later = plan(
      [file("/a", "x")],
      Facts.of([textFacts, { [`${stackDirectory}/state.jsonl`]: state }]),
    ).changes[0]?.steps[0];
    expect(first).toHaveProperty("preimage", true);
    expect(later).not.toHaveProperty("preimage");
  });

  test("what was begun is hostkit's, but what stands there may still be somebody else's", () => {
    const begun = (how: "new" | "again") =>
      plan(
        [file("/a", "x")],
        Facts.of([
          textFacts,
          {
            [`${stackDirectory}/state.jsonl`]: beginLine({ kind: "file", name: "/a" }, how),
          },
        ]),
      );
    expect(begun("new").changes[0]?.steps[0]).toHaveProperty("preimage", true);
    expect(begun("new").changes[0]?.beginLines).toContain('"begun":"new"');
    expect(begun("again").changes[0]?.steps[0]).not.toHaveProperty("preimage");
    expect(begun("again").changes[0]?.beginLines).toContain('"begun":"again"');
    expect(begun("new").state).toContain('"begun":"new"');
  });

  test("what was begun and is as it should be has been made", () => {
    const state = beginLine({ kind: "file", name: "/a", path: "/a" }, "new");
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: state }],
      [fileFacts, present("/a", "x")],
    );
    expect(plan([file("/a", "x")], facts).state).toBe(
      ownLine({ kind: "file", name: "/a", path: "/a" }),
    );
  });

  test("before a change begins, it and those that wait for it are written down", () => {
    const resources = [
      file("/a", "1"),
      file("/b", "2", { after: ["file:/a"] }),
      file("/c", "3", { after: ["file:/b"] }),
    ];
    const [first, , third] = plan(resources).changes;
    expect(first?.beginLines).toBe(
      `${beginLine({ kind: "file", name: "/a", path: "/a" }, "new")}due file:/a\ndue file:/b\n`,
    );
    expect(third?.beginLines).toMatch(/due file:\/c\n$/);
  });

  test("a removal that was cut short is done again, though its file is gone", () => {
    const state = ownLine({ kind: "sshd", name: "/x", path: "/x" });
    const marks = (text: string) =>
      plan(
        [],
        Facts.of([
          textFacts,
          { [`${stackDirectory}/state.jsonl`]: state, [`${stackDirectory}/unfinished`]: text },
        ]),
      ).changes.map(({ id }) => id);
    expect(marks("")).toEqual([]);
    expect(marks("due sshd:/x\n")).toEqual(["sshd:/x"]);
    expect(marks("due sshd:/x\ndone sshd:/x\n")).toEqual([]);
  });

  test("what hostkit owns and nobody wants any more is removed at the end, youngest first", () => {
    const state = [directory("/d"), file("/d/x", "1", { after: ["directory:/d"] })]
      .map((resource) => ownLine({ kind: resource.kind, name: resource.name, path: resource.path }))
      .join("");
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: state }],
      [fileFacts, { ...present("/d/x", "1"), "/d": { type: "directory" } }],
    );
    expect(findOrphans({ resources: [], facts, stackDirectory })).toHaveLength(2);
    const { changes, stateHash } = plan([file("/new", "")], facts);
    expect(changes.map((change) => [change.action, change.id])).toEqual([
      ["create", "file:/new"],
      ["delete", "file:/d/x"],
      ["delete", "directory:/d"],
    ]);
    expect(changes[1]?.waitsFor).toEqual(["file:/new"]);
    expect(changes[2]?.waitsFor).toEqual(["file:/d/x"]);
    expect(stateHash).toBe(hashText(state));
  });

  test("data stays unless it is told to go, and then the stack's folder stays to remember it", () => {
    const state = ownLine({ kind: "directory", name: "/data", holds: "data" });
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: state }],
      [fileFacts, { "/data": { type: "directory" } }],
      [contentFacts, { "/data": true }],
    );
    const input = { host: "h", stack: "t", stackDirectory, resources: [], facts };
    const kept = makeRemovalPlan({ ...input, deleteData: false });
    expect([kept.changes.length, kept.cleanup]).toEqual([0, "keep"]);
    const gone = makeRemovalPlan({ ...input, deleteData: true });
    expect([gone.changes.length, gone.cleanup]).toEqual([1, "all"]);
  });

  test("what the manifest wants away is hostkit's no more", () => {
    const owned = ownLine({ kind: "swap", name: "/swapfile" });
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: owned }],
      [swapFacts, { "/swapfile": { fileBytes: 4096, isActive: true } }],
    );
    const resources = [swapFile(0)];
    const { changes } = makePlan({ host: "h", stack: "t", stackDirectory, resources, facts });
    expect(changes.map(({ action, stateLine }) => [action, stateLine])).toEqual([
      ["delete", disownLine({ kind: "swap", name: "/swapfile" })],
    ]);
  });

  test("a role that is only locked, because data may be its own, is remembered until data goes too", () => {
    const role = { kind: "postgres-role", name: "reader", major: 17 };
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: ownLine(role) }],
      [postgresFacts, { "17": { roles: { reader: { login: true } }, databases: {} } }],
    );
    const input = { host: "h", stack: "t", stackDirectory, resources: [], facts };
    const kept = makeRemovalPlan({ ...input, deleteData: false });
    expect(kept.cleanup).toBe("keep");
    expect(kept.changes.map(({ action, stateLine }) => [action, stateLine])).toEqual([
      ["update", ownLine(role)],
    ]);
    const gone = makeRemovalPlan({ ...input, deleteData: true });
    expect(gone.cleanup).toBe("all");
    expect(gone.changes.map(({ stateLine }) => stateLine)).toEqual([
      disownLine({ kind: "postgres-role", name: "reader" }),
    ]);
  });

  test("a file that somebody has removed by hand is hostkit's no more: the next one of that name may be theirs", () => {
    const ones = ["/gone", "/there"].map((path) => ownLine({ kind: "file", name: path, path }));
    const volume = ownLine({ kind: "volume", name: "t-data" });
    const facts = Facts.of(
      [textFacts, { [`${stackDirectory}/state.jsonl`]: [...ones, volume].join("") }],
      [fileFacts, present("/there", "x")],
    );
    const made = plan([file("/new", "1")], facts);
    expect(made.changes.map(({ id }) => id)).toEqual(["file:/new", "file:/there"]);
    expect([...parseState(made.state).keys()]).toEqual(["file:/there", "volume:t-data"]);
  });

  test("the same plan has the same fingerprint, and no secret is in it", () => {
    const first = plan([file("/s", { secret: "hunter2" })]);
    const second = plan([file("/s", { secret: "hunter3" })]);
    expect(first.fingerprint).toBe(second.fingerprint);
    expect(plan([file("/s", "x")]).fingerprint).not.toBe(plan([file("/s", "y")]).fingerprint);
  });
});

test.each([
  ["", []],
  ["due a:1\ndue b:2\ndone a:1\n", ["b:2"]],
  ["due a:1\ndone a:1\ndue a:1\n", ["a:1"]],
  ["due nftables:inet hostkit\n", ["nftables:inet hostkit"]],
  ["due a:1\ndue b", ["a:1"]],
  ["due a:1\ndue \n\ngarbage\n", ["a:1"]],
])("unfinished: %j", (text, ids) => {
  expect([...parseUnfinished(text)]).toEqual(ids);
});

describe("state file", () => {
  test("the last line of an id counts, broken lines do not", () => {
    const text = `${ownLine({ kind: "file", name: "/a" })}${ownLine({ kind: "unit", name: "b:c" })}{"kind":"fi\n${disownLine({ kind: "file", name: "/a" })}`;
    expect([...parseState(text).keys()]).toEqual(["unit:b:c"]);
  });
});

describe("bundle", () => {
  const input = {
    runId: "r1",
    holder: "ann's laptop",
    parallel: 4,
    programs: { runner: "#!/bin/sh\n", paths: "", records: "", guard: "", restore: "" },
  };
  const made = makeBundle(
    plan([file("/s", { secret: "hunter2" }), file("/t", "x", { after: ["file:/s"] })]),
    input,
  );
  const textOf = (path: string): string => {
    const content = made.find((entry) => entry.path === path)?.content;
    return content !== undefined && "text" in content ? content.text : "";
  };

  test("numbers, waits and quoted settings are there for the runner", () => {
    expect(textOf("changes")).toBe("1|0||\n2|0|1|\n");
    expect(textOf("settings")).toContain(`HOLDER='ann'\\''s laptop'\n`);
    expect(textOf("c/2/state")).toContain('"name":"/t"');
  });

  test("a secret is only in the file that is to hold it", () => {
    const holders = made
      .filter((entry) => JSON.stringify(entry).includes("hunter2"))
      .map((entry) => entry.path);
    expect(holders).toEqual(["c/1/files/1"]);
  });
});
