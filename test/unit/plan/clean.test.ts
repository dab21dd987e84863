import { expect, test } from "vitest";
import type { ReleaseRecord, StackReleases } from "../../../src/facts/containers/releases.ts";
import type { ImageLeftover, Leftovers, RunLeftover } from "../../../src/facts/leftovers.ts";
import { hostKinds, planCleaning } from "../../../src/plan/clean.ts";
import type { CleaningInput } from "../../../src/plan/clean.ts";

const nothing: Leftovers = { images: [], isEngineOurs: true, runs: [], aptBytes: 0 };

const image = (more: Partial<ImageLeftover>): ImageLeftover => ({
  id: "sha256:aaa",
  ...{ tags: [], digests: [], isDangling: false, isUsed: false, layers: {} },
  ...more,
});

const record = (more: Partial<ReleaseRecord>): ReleaseRecord => ({
  ...{ id: "1", service: "api", release: "12ab", slot: "a", image: "hostkit/s-api:9" },
  ...{ because: "", binds: [], state: "serving", begun: 0, since: 0 },
  ...more,
});

/** What the records of stack s tell; the newest one serves. */
const releasesOf = (...records: ReleaseRecord[]): ReadonlyMap<string, StackReleases> => {
  const { service = "api", slot = "a", release = "", image: reference = "" } = records.at(-1) ?? {};
  return new Map([["s", { records, active: { [service]: { slot, release, image: reference } } }]]);
};

function clean(leftovers: Partial<Leftovers>, more: Partial<CleaningInput> = {}) {
  return planCleaning({
    stack: "s",
    stackDirectory: "/var/lib/hostkit/s",
    leftovers: { ...nothing, ...leftovers },
    releases: releasesOf(record({})),
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
  ["a release that is gone", { tags: ["hostkit/s-api:1"] }, true],
  ["one that runs", { tags: ["hostkit/s-api:1"], isUsed: true }, false],
  ["the one that serves, be it stopped", { tags: ["hostkit/s-api:9"] }, false],
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

/** A release on record, and whether it needs this image. */
const records: readonly (readonly [about: string, Partial<ReleaseRecord>, boolean])[] = [
  ["replaced: it can be gone back to", { state: "replaced" }, true],
  ["begun", { state: "begun" }, true],
  ["failed", { state: "failed" }, false],
  ["of another stack's service", { service: "other", state: "replaced" }, true],
  ["known by its id", { image: "hostkit/s-api:0", imageId: "sha256:aaa", state: "replaced" }, true],
];

test.each(records)("an image of a release that is %s", (_, more, isNeeded) => {
  const releases = releasesOf(record({ id: "0", image: "hostkit/s-api:1", ...more }), record({}));
  const images = [image({ tags: ["hostkit/s-api:1"] })];
  expect(clean({ images }, { releases })).toHaveLength(isNeeded ? 0 : 1);
});

test("a digest is the same under every name of its repository", () => {
  const releases = releasesOf(record({ image: "docker.io/library/redis:7@sha256:0" }));
  expect(clean({ images: [image({ digests: ["redis@sha256:0"] })] }, { releases })).toEqual([]);
});

test("released by a hostkit that kept no records: nothing of the service goes, of others all the same", () => {
  const releases = new Map([
    ["s", { records: [], active: { api: { slot: "a" as const, release: "12ab", image: "x:1" } } }],
  ]);
  const images = [
    image({ id: "1", tags: ["hostkit/s-api:1"] }),
    image({ id: "2", digests: ["redis@sha256:0"] }),
    image({ id: "3", tags: ["hostkit/s-page:1"] }),
  ];
  const services = ["api", "page"];
  const dev = { bytes: 1, isWatched: false };
  expect(names({ images, dev }, { releases, services })).toEqual(["hostkit/s-page:1"]);
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
  const releases = releasesOf(record({ binds: ["/var/lib/hostkit/s/dev/api/src"] }));
  const dev = { bytes: 1, isWatched: false };
  expect(names({ dev: { ...dev, isWatched: true } })).toEqual([]);
  expect(names({ dev })).toEqual(["/var/lib/hostkit/s/dev"]);
  expect(names({ dev }, { releases })).toEqual([]);
});

test("only what was asked for", () => {
  const all = { dev: { bytes: 1, isWatched: false }, aptBytes: 5, runs: [run("1", "ended", 1)] };
  expect(clean(all, { kinds: new Set(["apt"]) }).map(({ kind }) => kind)).toEqual(["apt"]);
  expect(clean(all).map(({ kind }) => kind)).toEqual(["runs", "sources", "apt"]);
});
