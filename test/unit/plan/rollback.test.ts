import { describe, expect, test } from "vitest";
import type { ReleaseRecord, StackReleases } from "../../../src/facts/containers/releases.ts";
import { chooseRelease, planRollback } from "../../../src/plan/rollback.ts";
import { keepSteps, parseKept } from "../../../src/resources/containers/kept-release.ts";
import type { ReleaseResource, SlotPlan } from "../../../src/resources/containers/slots.ts";

const record = (id: string, more: Partial<ReleaseRecord> = {}): ReleaseRecord => ({
  ...{ id, service: "api", release: `${id}${id}`, slot: "a", image: `s-api:${id}` },
  ...{ because: "", binds: [], state: "replaced", kept: true, begun: 1, since: 1 },
  ...more,
});

/** The last one serves. */
function releases(...records: readonly ReleaseRecord[]): StackReleases {
  const serving = records.findLast(({ state }) => state === "serving");
  return { records, active: serving === undefined ? {} : { api: serving } };
}

const serving = { state: "serving" } as const;
const words: readonly [string, StackReleases | undefined, string | undefined, string][] = [
  ["never released", undefined, undefined, "api was never released here"],
  [
    "the first one",
    releases(record("1", serving)),
    undefined,
    "there is no release of api to go back to",
  ],
  ["the one before", releases(record("1"), record("2"), record("3", serving)), undefined, "2"],
  [
    "not one that failed",
    releases(record("1"), record("2", { state: "failed" }), record("3", serving)),
    undefined,
    "1",
  ],
  [
    "not one of which nothing was kept",
    releases(record("1", { kept: false }), record("2", serving)),
    undefined,
    "there is no release of api to go back to",
  ],
  [
    "again: further back",
    releases(
      record("1"),
      record("2"),
      record("3"),
      record("4", { ...serving, back: "2", release: "22" }),
    ),
    undefined,
    "1",
  ],
  [
    "again, when what was gone back to stands in newer records",
    releases(
      record("1"),
      record("3"),
      record("4", { back: "2" }),
      record("5", { ...serving, back: "3" }),
    ),
    undefined,
    "4",
  ],
  [
    "not one that was gone back from, when a newer one turns out bad, too",
    releases(
      record("1"),
      record("2"),
      record("3", { back: "1", release: "11", undoes: ["22"] }),
      record("4", serving),
    ),
    undefined,
    "3",
  ],
  [
    "not one that is the same",
    releases(record("1"), record("2", { release: "x" }), record("3", { ...serving, release: "x" })),
    undefined,
    "1",
  ],
  ["by its id", releases(record("1"), record("2"), record("3", serving)), "1", "1"],
  [
    "forward again",
    releases(record("1"), record("2"), record("3", { ...serving, back: "1" })),
    "2",
    "2",
  ],
  ["unknown", releases(record("1"), record("2", serving)), "9", "api has no release 9"],
  [
    "of several",
    releases(record("11"), record("12"), record("2", serving)),
    "1",
    "several releases of api begin with 1",
  ],
  [
    "that serves",
    releases(record("1"), record("2", serving)),
    "2",
    "release 2 of api serves already",
  ],
  [
    "that failed",
    releases(record("1", { state: "failed" }), record("2", serving)),
    "1",
    "release 1 of api cannot be gone back to",
  ],
  [
    "unsettled",
    { records: [record("1")], active: { api: { slot: "a", release: "zz", image: "s-api:z" } } },
    undefined,
    "no record says what serves of api",
  ],
];

describe("which release is gone back to", () => {
  test.each(words)("%s", (_about, found, word, expected) => {
    const chosen = chooseRelease(found, "api", word);
    expect("id" in chosen ? chosen.id : chosen.what).toBe(expected);
  });
});

const slot = (name: "a" | "b"): SlotPlan => ({
  slot: name,
  units: [`s-api-${name}.service`],
  possibleUnits: [`s-api-${name}.service`, `s-api-${name}2.service`],
  upstream: `# hostkit: slot ${name}, release 0a, image s-api:1\n`,
  files: [
    {
      path: `/c/${name}.env`,
      content: { secret: "TOKEN=hunter2" },
      mode: "0600",
      owner: "root",
      group: "root",
    },
    {
      path: `/c/${name}.sh`,
      content: { text: "run\n" },
      mode: "0755",
      owner: "root",
      group: "root",
    },
  ],
});
const resource: ReleaseResource = {
  ...{
    kind: "release",
    name: "api",
    stack: "s",
    service: "api",
    stackDirectory: "/var/lib/hostkit/s",
  },
  ...{ upstreamPath: "/u/api.caddy", release: "0a", image: "s-api:1", graceSeconds: 60 },
  ...{
    exclusive: false,
    binds: ["/srv/x"],
    after: ["file:/x"],
    slots: { a: slot("a"), b: slot("b") },
  },
  seam: { user: "u", database: "d", role: "r" },
};

/** What is uploaded to be kept, by its name. */
const uploaded = () =>
  new Map(
    keepSteps(resource).flatMap((step) =>
      step.type === "upload" ? [[step.as, step.content] as const] : [],
    ),
  );

test("what is kept of a release says all but what its files hold, and those lie beside", () => {
  const files = uploaded();
  expect([...files.keys()]).toEqual([
    "kept/release.json",
    "kept/a/0",
    "kept/a/1",
    "kept/b/0",
    "kept/b/1",
  ]);
  const description = files.get("kept/release.json");
  const text = description !== undefined && "text" in description ? description.text : "";
  expect(text).not.toContain("hunter2");
  const { after: _after, ...rest } = resource;
  const emptied = ({ files: ones, ...plan }: SlotPlan) => ({
    ...plan,
    files: ones.map((one) => ({
      ...one,
      content: "secret" in one.content ? { secret: "" } : { text: "" },
    })),
  });
  expect(parseKept(text)).toEqual({
    ...rest,
    slots: { a: emptied(resource.slots.a), b: emptied(resource.slots.b) },
  });
});

test.each([[""], ["{}"], ["[]"], ["{"], ['{"kind":"release"}']])(
  "what is no description is none: %s",
  (text) => {
    expect(parseKept(text)).toBeUndefined();
  },
);

test("the way back is that of a release: written down, placed, healthy, proved, then the traffic", () => {
  const steps = planRollback(resource, record("1"), record("3", { ...serving, slot: "b" }));
  expect(steps.map(({ title }) => title)).toEqual([
    "write down that release 1 is gone back to",
    "put its files into slot a",
    "start s-api-a.service and wait until healthy",
    "log in to d as r from inside",
    "send the traffic to slot a",
    "drain and stop slot b",
  ]);
  expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length);
  expect(JSON.stringify(steps)).not.toContain("hunter2");
});
