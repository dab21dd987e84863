import { createHash } from "node:crypto";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { openLayer, readImageArchive } from "../../../src/local/image-archive.ts";
import { idOfImage } from "../../../src/resources/containers/packed-image.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-archive-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array | string): string =>
  createHash("sha256").update(bytes).digest("hex");

type Entry = readonly [name: string, content: string | Uint8Array | { readonly link: string }];

async function makeTar(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of entries) {
    if (typeof content === "object" && "link" in content)
      tar.entry({ name, type: "symlink", linkname: content.link });
    else tar.entry({ name }, Buffer.from(content));
  }
  tar.finalize();
  return buffer(tar);
}

async function write(bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, sha256(bytes).slice(0, 12));
  await writeFile(file, bytes);
  return file;
}

const base = await makeTar([["base", "b".repeat(5000)]]);
const top = await makeTar([["top", "t"]]);

function configOf(layers: readonly Uint8Array[], more: object = {}): string {
  const diffIds = layers.map((layer) => `sha256:${sha256(layer)}`);
  return JSON.stringify({
    ...{ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: diffIds } },
    ...more,
  });
}

const config = configOf([base, top]);

const saved = (more: object = {}, named = `${sha256(config)}.json`): Entry[] => [
  ["b/layer.tar", base],
  ["t/layer.tar", top],
  [`${sha256(config)}.json`, config],
  [
    "manifest.json",
    JSON.stringify([
      { Config: named, RepoTags: ["api:1"], Layers: ["b/layer.tar", "t/layer.tar"], ...more },
    ]),
  ],
];

interface Platform {
  readonly config?: string;
  readonly layers?: readonly Uint8Array[];
  readonly annotations?: Record<string, string>;
  readonly layer?: object;
}

/** An OCI layout, in which blobs stand by the digest that they have. */
function layout(platforms: readonly Platform[]): Entry[] {
  const blobs = new Map<string, string | Uint8Array>();
  const put = (bytes: string | Uint8Array): string => {
    blobs.set(sha256(bytes), bytes);
    return `sha256:${sha256(bytes)}`;
  };
  const manifests = platforms.map(
    ({ config: own = config, layers = [base, top], annotations, layer }) => ({
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: put(
        JSON.stringify({
          config: { digest: put(own) },
          layers: layers.map((bytes) => ({ digest: put(bytes), ...layer })),
        }),
      ),
      annotations,
    }),
  );
  return [
    ["oci-layout", "{}"],
    ["index.json", JSON.stringify({ manifests })],
    ...[...blobs].map(([hash, bytes]): Entry => [`blobs/sha256/${hash}`, bytes]),
  ];
}

describe("an image archive", () => {
  test.each<[name: string, make: () => Promise<Buffer>]>([
    ["as docker save writes it", async () => makeTar(saved())],
    ["packed", async () => gzipSync(await makeTar(saved()))],
    [
      "with names that begin with ./",
      async () => makeTar(saved().map(([name, to]) => [`./${name}`, to])),
    ],
    [
      "with a link in a layer's place, as Docker 20.10 and podman write them",
      async () =>
        makeTar([
          ...saved().filter(([name]) => name !== "b/layer.tar"),
          ["real/layer.tar", base],
          ["b/layer.tar", { link: "../real/layer.tar" }],
        ]),
    ],
    ["as an OCI layout", async () => makeTar(layout([{}]))],
    [
      "with packed layers",
      async () => makeTar(layout([{ layers: [gzipSync(base), gzipSync(top)] }])),
    ],
    [
      "with attestations",
      async () =>
        makeTar(
          layout([
            {},
            {
              config: "{}",
              layers: [],
              annotations: { "vnd.docker.reference.type": "attestation-manifest" },
            },
          ]),
        ),
    ],
    [
      "packed, with packed layers",
      async () => gzipSync(await makeTar(layout([{ layers: [gzipSync(base), top] }]))),
    ],
    [
      "with the same image under two tags",
      async () =>
        makeTar([
          ...saved().slice(0, 3),
          [
            "manifest.json",
            JSON.stringify(
              ["a:1", "b:1"].map((tag) => ({
                Config: `${sha256(config)}.json`,
                RepoTags: [tag],
                Layers: ["b/layer.tar", "t/layer.tar"],
              })),
            ),
          ],
        ]),
    ],
  ])("is read %s", async (_name, make) => {
    const archive = await readImageArchive(await write(await make()));
    expect(archive.images).toHaveLength(1);
    const [image] = archive.images;
    if (image === undefined) throw new Error("no image");
    expect(idOfImage(image)).toBe(sha256(config));
    expect(image.platform).toBe("linux/amd64");
    const layers = await Promise.all(
      image.layers.map(async (layer) => buffer(openLayer(archive, layer))),
    );
    expect(layers.map((layer) => sha256(layer))).toEqual([sha256(base), sha256(top)]);
    expect(image.layers.map(({ diffId }) => diffId)).toEqual([sha256(base), sha256(top)]);
  });

  it("is the same whatever it is packed in", async () => {
    const plain = await readImageArchive(await write(await makeTar(saved())));
    const other = await readImageArchive(await write(gzipSync(await makeTar(layout([{}])))));
    expect(other.sha256).toBe(plain.sha256);
  });

  it("has an image for each platform", async () => {
    const arm = configOf([base], { architecture: "arm64", variant: "v8" });
    const file = await write(await makeTar(layout([{}, { config: arm, layers: [base] }])));
    const { images } = await readImageArchive(file);
    expect(images.map(({ platform }) => platform)).toEqual(["linux/amd64", "linux/arm64/v8"]);
  });

  const lied: Entry[] = saved().map(([name, to]) =>
    name.endsWith(".json") && name !== "manifest.json" ? [name, `${config} `] : [name, to],
  );
  test.each<[name: string, entries: readonly Entry[], message: string]>([
    ["nothing", [], "it holds no image"],
    ["no image", [["readme", "x"]], "neither a manifest.json nor an index.json"],
    ["an empty list", [["manifest.json", "[]"]], "it holds no image"],
    ["one of an old Docker", [["repositories", "{}"]], "before 1.10"],
    ["no JSON", [["manifest.json", "[{"]], "manifest.json in it is not JSON"],
    ["JSON of something else", [["manifest.json", "[1]"]], "is not as an image's is"],
    [
      "several images",
      [
        ...saved().slice(0, 3),
        ["other.json", configOf([base])],
        [
          "manifest.json",
          JSON.stringify([
            {
              Config: `${sha256(config)}.json`,
              RepoTags: ["api:1"],
              Layers: ["b/layer.tar", "t/layer.tar"],
            },
            { Config: "other.json", RepoTags: ["page:1"], Layers: ["b/layer.tar"] },
          ]),
        ],
      ],
      "it holds 2: api:1, page:1",
    ],
    ["a configuration that lies", lied, "is not what its name says"],
    [
      "a layer too few",
      saved({ Layers: ["b/layer.tar"] }),
      "1 layers, and the image's configuration has 2",
    ],
    ["no configuration", saved({}, "gone.json"), "gone.json is not in it"],
    ["no layer", saved({ Layers: ["b/layer.tar", "gone.tar"] }), "the layer gone.tar is not in it"],
    ["a name that climbs", saved({ Layers: ["b/layer.tar", "../../t/layer.tar"] }), "is not in it"],
    ["an absolute name", saved({ Layers: ["b/layer.tar", "/etc/passwd"] }), "is not in it"],
    [
      "a link that climbs",
      [
        ...saved().filter(([name]) => name !== "b/layer.tar"),
        ["b/layer.tar", { link: "../../../../etc/passwd" }],
      ],
      "the layer b/layer.tar is not in it",
    ],
    [
      "links in a circle",
      [
        ...saved().filter(([name]) => name !== "b/layer.tar"),
        ["b/layer.tar", { link: "layer.tar" }],
      ],
      "the layer b/layer.tar is not in it",
    ],
    [
      "a layer elsewhere",
      layout([{ layer: { urls: ["https://x.example/layer"] } }]).filter(
        ([name]) => !name.endsWith(sha256(base)),
      ),
      "to be fetched from https://x.example/layer",
    ],
    [
      "a manifest that lies",
      layout([{}]).map(([name, to]) =>
        typeof to === "string" && to.startsWith('{"config"') ? [name, `${to} `] : [name, to],
      ),
      "is not what its name says",
    ],
    [
      "a layer packed with xz",
      layout([{ layers: [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), top] }]),
      "packed with bzip2 or xz",
    ],
    [
      "a digest that is none",
      [["index.json", '{"manifests":[{"digest":"sha256:../../x"}]}']],
      "is not as an image's is",
    ],
  ])("is refused with %s", async (_name, entries, message) => {
    await expect(readImageArchive(await write(await makeTar(entries)))).rejects.toThrow(message);
  });

  test.each<[name: string, make: () => Promise<Buffer>, keep: number, message: string]>([
    ["a truncated one", async () => makeTar(saved()), 3000, "cut short"],
    ["a truncated packed one", async () => gzipSync(await makeTar(saved())), 60, "cut short"],
    ["an empty file", async () => Buffer.from("x"), 0, "it is empty"],
    ["something else", async () => Buffer.alloc(4096, "hello "), 4096, "no tar archive"],
    ["xz", async () => Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), 8, "unpack it"],
  ])("is refused: %s", async (name, make, keep, message) => {
    const file = path.join(folder, name.replaceAll(" ", "-"));
    await writeFile(file, await make());
    await truncate(file, keep);
    await expect(readImageArchive(file)).rejects.toThrow(message);
  });
});
