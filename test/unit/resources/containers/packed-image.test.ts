import { describe, expect, test } from "vitest";
import {
  layerFacts,
  layersSubject,
  sentLayerFacts,
} from "../../../../src/facts/containers/layers.ts";
import { hashText } from "../../../../src/facts/files/hash.ts";
import { chooseImage, refuseArchive } from "../../../../src/resources/containers/load.ts";
import type { ArchiveSource } from "../../../../src/resources/containers/load.ts";
import {
  countKnown,
  measureMissing,
  writeLayout,
} from "../../../../src/resources/containers/packed-image.ts";
import type { PackedLayer } from "../../../../src/resources/containers/packed-image.ts";

const layer = (diffId: string, size = 10): PackedLayer => ({
  ...{ diffId, name: diffId, size, packing: "none" },
});
const image = (platform: string) => ({ platform, config: platform, layers: [] });

describe("the layers of an image that a host has", () => {
  const layers = [layer("a", 100), layer("b", 10), layer("c", 1)];
  test.each<[name: string, known: string[][], count: number, missing: number]>([
    ["nothing", [], 0, 111],
    ["the base", [["a"]], 1, 11],
    ["the base of an image that goes on elsewhere", [["a", "b", "x"]], 2, 1],
    ["the longest of several", [["a"], ["a", "b", "c", "d"], ["a", "b"]], 3, 0],
    // Docker finds a layer by the whole chain below it.
    [
      "the same layer on another base",
      [
        ["x", "a", "b"],
        ["b", "c"],
      ],
      0,
      111,
    ],
    ["none", [[]], 0, 111],
  ])("%s", (_name, known, count, missing) => {
    expect(countKnown(layers, known)).toBe(count);
    expect(measureMissing(layers, known)).toBe(missing);
  });

  test("a layer that comes twice goes once", () => {
    expect(measureMissing([layer("a"), layer("b"), layer("a")], [])).toBe(20);
  });
});

test("what Docker reads names layers by their digest, once for each of its stores", () => {
  const config = '{"rootfs":{}}';
  const files = new Map(
    writeLayout(
      { platform: "linux/amd64", config, layers: [layer("a"), layer("b", 7)] },
      "hostkit/s-api:1",
      new Map([["b", 99]]),
    ).map(({ path, text }) => [path, text]),
  );
  const parse = (path: string): unknown => JSON.parse(files.get(path) ?? "");
  const id = hashText(config);
  expect(files.get(`blobs/sha256/${id}`)).toBe(config);
  expect(parse("manifest.json")).toEqual([
    {
      Config: `blobs/sha256/${id}`,
      RepoTags: ["hostkit/s-api:1"],
      Layers: ["blobs/sha256/a", "blobs/sha256/b"],
    },
  ]);
  const { manifests } = parse("index.json") as {
    manifests: { digest: string; size: number; annotations: object }[];
  };
  const [descriptor] = manifests;
  expect(descriptor?.annotations).toMatchObject({
    "io.containerd.image.name": "docker.io/hostkit/s-api:1",
  });
  const manifest = files.get(`blobs/sha256/${descriptor?.digest.slice(7)}`) ?? "";
  expect(`sha256:${hashText(manifest)}`).toBe(descriptor?.digest);
  expect(manifest.length).toBe(descriptor?.size);
  expect((JSON.parse(manifest) as { layers: unknown }).layers).toMatchObject([
    { digest: "sha256:a", size: 10 },
    { digest: "sha256:b", size: 99 },
  ]);
});

test.each<[platforms: string[], architecture: string, chosen: string | undefined]>([
  [["linux/amd64"], "amd64", "linux/amd64"],
  [["linux/arm64/v8", "linux/amd64"], "arm64", "linux/arm64/v8"],
  [["linux/386", "linux/amd64"], "amd64", "linux/amd64"],
  [["linux/386"], "amd64", "linux/386"],
  [["linux/arm/v7"], "arm64", "linux/arm/v7"],
  [["linux/arm64"], "arm", undefined],
  [["windows/amd64"], "amd64", undefined],
])("of %j, a host that is %s runs %s", (platforms, architecture, chosen) => {
  const source: ArchiveSource = {
    ...{ kind: "archive", service: "api", architecture },
    archive: {
      ...{ path: "/a.tar", sha256: "", size: 1, type: "file", packing: "none" },
      images: platforms.map(image),
    },
  };
  expect(chooseImage(source)?.platform).toBe(chosen);
  expect(refuseArchive(source)?.code).toBe(chosen === undefined ? "image_unfit" : undefined);
});

describe("what a host tells of layers", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  test("those of its images; a line that is cut short is no image", () => {
    const printed = `["sha256:${a}","sha256:${b}"]\nnull\n["sha256:${b}"]\n["sha256:${a}","sha2`;
    const needs = [layersSubject];
    expect(layerFacts.parse(printed, needs, new Map()).get(layersSubject)).toEqual([[a, b], [b]]);
  });

  test("what was sent before, whole or in part; a strange name is nothing of ours", () => {
    const printed = `of /l/x\nwhole ${a} 12\npart ${b} 5\npart ../../etc 5\nwhole said 1\nof /l/y\n`;
    const found = sentLayerFacts.parse(printed, ["/l/x", "/l/y", "/l/z"], new Map());
    expect(found.get("/l/x")).toEqual({ whole: new Set([a]), parts: new Map([[b, 5]]) });
    expect([...found.keys()]).toEqual(["/l/x", "/l/y"]);
  });
});
