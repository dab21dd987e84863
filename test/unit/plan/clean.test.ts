import { expect, test } from "vitest";
import type { ImageLeftover, Leftovers, RunLeftover } from "../../../src/facts/leftovers.ts";
import { hostKinds, planCleaning } from "../../../src/plan/clean.ts";
import type { CleaningInput } from "../../../src/plan/clean.ts";

const nothing: Leftovers = { images: [], isEngineOurs: true, runs: [], aptBytes: 0 };

const image = (more: Partial<ImageLeftover>): ImageLeftover => ({
  id: "sha256:aaa",
  ...{ tags: [], digests: [], isDangling: false, isUsed: false, isNamed: false, layers: {} },
  ...more,
});

function clean(leftovers: Partial<Leftovers>, more: Partial<CleaningInput> = {}) {
  return planCleaning({
    stack: "s",
    stackDirectory: "/var/lib/hostkit/s",
    leftovers: { ...nothing, ...leftovers },
    owned: [{ kind: "image", name: "s-cache", reference: "redis@sha256:1", isOurs: false }],
    services: ["api"],
    kinds: new Set(hostKinds),
    keepRuns: 2,
    ...more,
  });
}

const names = (...of: Parameters<typeof clean>) => clean(...of).map(({ name }) => name);

/** What an image is, and whether it goes. */
const images: readonly (readonly [about: string, Partial<ImageLeftover>, boolean])[] = [
  ["a release that no slot has", { tags: ["hostkit/s-api:1"] }, true],
  ["one that runs", { tags: ["hostkit/s-api:1"], isUsed: true }, false],
  ["one for a rollback", { tags: ["hostkit/s-api:1"], isNamed: true }, false],
  ["another stack's", { tags: ["hostkit/s-other-api:1"] }, false],
  ["somebody's own", { tags: ["mine/app:1"] }, false],
  ["one that somebody gave a second name", { tags: ["hostkit/s-api:1", "mine/app:1"] }, false],
  ["pulled for a service", { digests: ["redis@sha256:0"] }, true],
  ["pulled by somebody", { digests: ["postgres@sha256:0"] }, false],
  ["pulled by tag", { tags: ["redis:7"], digests: ["redis@sha256:0"] }, false],
  ["left of a build", { isDangling: true }, true],
  ["without a name, but used", { isDangling: true, isUsed: true }, false],
  ["the parent of another", {}, false],
];

test.each(images)("images: %s", (_, more, goes) => {
  expect(clean({ images: [image(more)] })).toHaveLength(goes ? 1 : 0);
});

test("where Docker is not hostkit's, images without a name may be somebody's", () => {
  expect(clean({ images: [image({ isDangling: true })], isEngineOurs: false })).toEqual([]);
});

test("a layer counts once, and only when no image that stays has it", () => {
  const removals = clean({
    images: [
      image({ id: "1", tags: ["hostkit/s-api:1"], layers: { base: 1000, both: 100, own: 10 } }),
      image({ id: "2", tags: ["hostkit/s-api:2"], layers: { base: 1000, both: 100 } }),
      image({ id: "3", tags: ["hostkit/s-api:3"], isUsed: true, layers: { base: 1000 } }),
    ],
  });
  expect(removals.map(({ bytes }) => bytes)).toEqual([110, 0]);
});

const run = (id: string, state: RunLeftover["state"], payloadBytes = 0): RunLeftover => ({
  ...{ id, state, bytes: 500, payloadBytes },
});

test("the newest runs stay, but not what they brought; the one that goes on is left alone", () => {
  const runs = [
    run("1", "ended", 400),
    run("2", "lost"),
    run("3", "ended", 400),
    run("4", "running", 400),
  ];
  expect(names({ runs })).toEqual(["run 1", "run 2", "what run 3 brought"]);
  expect(names({ runs }, { keepRuns: 0 })).toEqual(["run 1", "run 2", "run 3"]);
  expect(names({ runs }, { keepRuns: 9 })).toEqual(["what run 1 brought", "what run 3 brought"]);
});

test("sources that a release has mounted stay", () => {
  expect(names({ dev: { bytes: 1, isNeeded: true } })).toEqual([]);
  expect(names({ dev: { bytes: 1, isNeeded: false } })).toEqual(["/var/lib/hostkit/s/dev"]);
});

test("only what was asked for", () => {
  const all = { dev: { bytes: 1, isNeeded: false }, aptBytes: 5, runs: [run("1", "ended", 1)] };
  expect(clean(all, { kinds: new Set(["apt"]) }).map(({ kind }) => kind)).toEqual(["apt"]);
  expect(clean(all).map(({ kind }) => kind)).toEqual(["runs", "sources", "apt"]);
});
