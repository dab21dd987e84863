import { describe, expect, test } from "vitest";
import {
  findUnpinned,
  listTaggedImages,
  lockFileOf,
  parseLock,
  renderLock,
} from "../../../src/manifest/lock.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";

const digest = `sha256:${"0".repeat(64)}`;
const entry = `{ digest: "${digest}", platforms: [linux/amd64] }`;
const locked = { digest, platforms: ["linux/amd64", "linux/arm/v7"] };

describe("the lock", () => {
  test("is read as it was written, in whatever order, and the same images give the same bytes", () => {
    const lock = new Map([
      ["redis:7", locked],
      ["ghcr.io/a/b:1", { ...locked, platforms: locked.platforms.toReversed() }],
    ]);
    const text = renderLock(lock);
    expect(text).toBe(renderLock(new Map([...lock].toReversed())));
    expect([...parseLock(text, "hostkit.lock").lock]).toEqual([
      ["ghcr.io/a/b:1", locked],
      ["redis:7", locked],
    ]);
  });

  test.each([
    ["hostkit.yaml", "hostkit.lock"],
    ["deploy/staging.YML", "deploy/staging.lock"],
    ["manifest", "manifest.lock"],
  ])("of %s is %s", (file, lock) => {
    expect(lockFileOf(file)).toBe(lock);
  });

  test.each([
    ["nothing", "", /is not as/],
    ["no format", "images: {}\n", /^version is not as/],
    ["a newer format", "version: 2\nimages: {}\n", /newer hostkit \(format 2\)/],
    ["no YAML", "version: 1\nimages: [\n", /not YAML/],
    ["a merge that was not made", "version: 1\n<<<<<<< ours\nimages: {}\n", /not merged/],
    ["an alias", "version: &a 1\nimages: *a\n", /aliases|is not as/],
    [
      "a digest that is none",
      `version: 1\nimages: { a:1: { digest: sha256:12, platforms: [linux/amd64] } }\n`,
      /digest/,
    ],
    [
      "no platform",
      `version: 1\nimages: { "a:1": { digest: "${digest}", platforms: [] } }\n`,
      /platforms/,
    ],
    [
      "a platform that is none",
      `version: 1\nimages: { "a:1": { digest: "${digest}", platforms: ["$(id)"] } }\n`,
      /platforms/,
    ],
    ["a list", "- 1\n", /is not as/],
  ])("%s is a problem and no lock", (_what, text, says) => {
    const { lock, problem } = parseLock(text, "hostkit.lock");
    expect(lock.size).toBe(0);
    expect(problem?.message).toMatch(says);
    expect(problem?.file).toBe("hostkit.lock");
  });

  test("knows the names of objects as names and nothing else", () => {
    const { lock, problem } = parseLock(`version: 1\nimages: { "constructor:1": ${entry} }\n`, "l");
    expect(problem).toBeUndefined();
    expect([...lock.keys()]).toEqual(["constructor:1"]);
    expect(lock.has("toString")).toBe(false);
  });
});

test("an image that several services have is looked up once; one with a digest is not, and has to be in no lock", () => {
  const { manifest } = parseManifest(
    `stack: s
hosts: { h: 192.0.2.1 }
services:
  a: { image: redis }
  b: { image: "redis:latest" }
  c: { image: "redis@${digest}" }
  d: { apt: redis-server }
web: { e: { image: "ghcr.io/x/y:1", port: 80 } }
`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error("the manifest of this test is wrong");
  expect(listTaggedImages(manifest)).toEqual([
    { key: "ghcr.io/x/y:1", services: ["e"] },
    { key: "redis:latest", services: ["a", "b"] },
  ]);
  expect(
    findUnpinned(manifest, new Map([["redis:latest", locked]])).map(({ name }) => name),
  ).toEqual(["e"]);
});
