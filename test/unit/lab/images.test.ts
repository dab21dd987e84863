import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Recipe, imageName, mmdebstrapArguments } from "../../../src/lab/base.ts";
import { writeImageArchive } from "../../../src/lab/node-image.ts";

const recipe: Recipe = {
  purpose: "base",
  codename: "trixie",
  variant: "minbase",
  packages: ["systemd", "sudo"],
  setup: "true\n",
  apt: { sources: "Types: deb\n", options: ['Acquire::http::Proxy "http://proxy.example:3142";'] },
};

describe("a recipe", () => {
  test("names its image; any change gives another name", () => {
    expect(imageName(recipe)).toMatch(/^base-trixie-[0-9a-f]{12}$/);
    expect(imageName({ ...recipe })).toBe(imageName(recipe));
    const changed: Recipe[] = [
      { ...recipe, packages: ["systemd"] },
      { ...recipe, setup: "false\n" },
      { ...recipe, apt: { ...recipe.apt, options: [] } },
      { ...recipe, dpkg: ["path-exclude=/usr/share/doc/*"] },
      { ...recipe, variant: "essential" },
    ];
    expect(new Set([recipe, ...changed].map((one) => imageName(one))).size).toBe(
      changed.length + 1,
    );
  });

  test("takes the machine's mirrors and proxies along", () => {
    const args = mmdebstrapArguments(recipe, {
      target: "/c/t",
      files: "/c/f",
      format: "directory",
    });
    expect(args).toContain("--include=systemd,sudo");
    expect(args).toContain("--aptopt=/c/f/90proxy");
    expect(args.slice(-3)).toEqual(["trixie", "/c/t", "/c/f/debian.sources"]);
  });

  test("leaves the mirror to mmdebstrap where the machine has none", () => {
    const bare: Recipe = { ...recipe, apt: { sources: undefined, options: [] } };
    const args = mmdebstrapArguments(bare, { target: "/c/t", files: "/c/f", format: "tar" });
    expect(args.slice(-2)).toEqual(["trixie", "/c/t"]);
    expect(args.join(" ")).not.toContain("aptopt");
  });
});

describe("an image archive", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "hostkit-image-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("holds a layer, a configuration that names it, and a manifest that names both", async () => {
    const layer = path.join(folder, "layer");
    const target = path.join(folder, "image.tar.gz");
    await writeFile(layer, Buffer.alloc(70_000, "x"));
    await writeImageArchive({ layer, target, tag: "a/b:1", command: ["node"] });
    const files = await readArchive(target);
    const [manifest] = JSON.parse(String(files.get("manifest.json"))) as {
      Config: string;
      RepoTags: string[];
      Layers: string[];
    }[];
    expect(manifest?.RepoTags).toEqual(["a/b:1"]);
    const config = files.get(manifest?.Config ?? "");
    expect(manifest?.Config).toBe(`${sha256(config ?? Buffer.alloc(0))}.json`);
    const found = files.get(manifest?.Layers[0] ?? "");
    expect(found).toEqual(await readFile(layer));
    const { rootfs } = JSON.parse(String(config)) as { rootfs: { diff_ids: string[] } };
    expect(rootfs.diff_ids).toEqual([`sha256:${sha256(found ?? Buffer.alloc(0))}`]);
    const again = path.join(folder, "again.tar.gz");
    await writeImageArchive({ layer, target: again, tag: "a/b:1", command: ["node"] });
    expect(await readFile(again)).toEqual(await readFile(target));
  });
});

async function readArchive(file: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const entry of createReadStream(file).pipe(createGunzip()).pipe(extract())) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  return files;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
