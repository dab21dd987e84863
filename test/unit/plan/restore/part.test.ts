import { expect, test } from "vitest";
import type { BackupSet } from "../../../../src/facts/postgres/restore.ts";
import { nameBefore, planPartRestore } from "../../../../src/plan/restore/part.ts";
import type { RestorePart } from "../../../../src/plan/restore/part.ts";
import { parseTableName, writeTableName } from "../../../../src/plan/restore/table-name.ts";

test.each([
  ["public.spots", { schema: "public", name: "spots" }],
  ["Spots", { name: "spots" }],
  ['"My Schema"."a.b""c"', { schema: "My Schema", name: 'a.b"c' }],
  ["größe.maß", { schema: "größe", name: "maß" }],
  ["a.b.c", undefined],
  ["a b", undefined],
  ['"a', undefined],
  ["", undefined],
  ["public.", undefined],
])("the table %s", (text, expected) => {
  expect(parseTableName(text)).toEqual(expected);
});

test("a table's name is written so that it is read again", () => {
  for (const name of ["spots", "Spots", "a b", 'q"q', "1st", "x.y"]) {
    const table = { schema: "Public", name };
    expect(parseTableName(writeTableName(table))).toEqual(table);
  }
});

test("the database from before has a name that is free and that PostgreSQL can hold", () => {
  expect(nameBefore("app", ["app"])).toBe("app_before_restore");
  expect(nameBefore("app", ["app_before_restore"])).toBe("app_before_restore_2");
  const long = nameBefore("ä".repeat(31), ["x", "y"]);
  expect(new TextEncoder().encode(long).length).toBeLessThan(64);
  expect(long).toMatch(/^ä+_before_restore$/);
});

const place = {
  ...{ stack: "app", major: 17, data: "/d", port: 5432, socket: "/s", backupLock: "/l" },
};
const set: BackupSet = {
  ...{
    repository: 1,
    label: "L",
    type: "full" as const,
    start: 1,
    stop: 2,
    bytes: 1,
    hasErrors: false,
  },
  ...{ firstWal: "a", lastWal: "b", archive: "17-1" },
};
const plan = (part: RestorePart, units: readonly string[]) =>
  planPartRestore(
    {
      ...{ place, id: "i", target: { kind: "latest" }, set, timeline: 1, part, units },
      ...{ logins: [], owners: [] },
    },
    "hostkit_restore_1",
  );

test.each([
  [
    { kind: "database", database: "app", before: "b" },
    ["app.service"],
    "begin archive copy recover look bring close swap services proof",
  ],
  [
    { kind: "new", database: "app", as: "then" },
    [],
    "begin archive copy recover look bring close name",
  ],
  [
    { kind: "tables", database: "app", tables: [{ schema: "s", name: "t" }] },
    [],
    "begin archive copy recover look check bring end",
  ],
] as const)("the steps of %j", (part, units, steps) => {
  const planned = plan(part, units);
  expect(planned.map(({ id }) => id.replace("restore:", "")).join(" ")).toBe(steps);
  // Until the exchange nothing that runs is stopped.
  for (const { script, id } of planned)
    if (id !== "restore:swap") expect(script.text).not.toContain("rs_swap");
});

test("a step that fails before the exchange takes away what was made", () => {
  for (const { script, id } of plan({ kind: "database", database: "app", before: "b" }, []))
    if (/copy|recover|look|bring|close|swap/.test(id)) expect(script.text).toContain("rs_part ");
});
