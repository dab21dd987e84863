import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { extract } from "tar-stream";
import { packBundle } from "../../../src/local/pack.ts";
import { readTree } from "../../../src/local/tree.ts";
import type { Blob } from "../../../src/resources/resource.ts";

interface Unpacked {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly link: string;
  readonly bytes: Buffer;
}

async function unpack(bytes: Buffer): Promise<Unpacked[]> {
  const tar = extract();
  const found: Unpacked[] = [];
  tar.end(bytes);
  for await (const entry of tar) {
    const { name, type, mode, linkname } = entry.header;
    found.push({
      name,
      type: type ?? "",
      mode: mode ?? 0,
      link: linkname ?? "",
      bytes: await buffer(entry),
    });
  }
  return found;
}

async function fileBlob(file: string): Promise<Blob> {
  const bytes = await readFile(file);
  return {
    path: file,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    size: bytes.length,
    type: "file",
  };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-pack-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("packBundle", () => {
  test("packs texts, secrets and files as 0600 files, byte for byte", async () => {
    const big = Buffer.alloc(300_001, "x");
    await writeFile(path.join(folder, "big.deb"), big);
    const bytes = await buffer(
      packBundle([
        { path: "runner.sh", content: { text: "echo ü\n" } },
        { path: "c/1/stdin/1", content: { secret: "s3cret" } },
        { path: "c/1/state", content: { text: "" } },
        {
          path: `c/2/${"long-".repeat(40)}name.deb`,
          content: { blob: await fileBlob(path.join(folder, "big.deb")) },
        },
      ]),
    );
    const entries = await unpack(bytes);
    expect(entries.map(({ name, type, mode }) => [name, type, mode])).toEqual([
      ["runner.sh", "file", 0o600],
      ["c/1/stdin/1", "file", 0o600],
      ["c/1/state", "file", 0o600],
      [`c/2/${"long-".repeat(40)}name.deb`, "file", 0o600],
    ]);
    expect(entries.map((entry) => entry.bytes.length)).toEqual([8, 6, 0, 300_001]);
    expect(entries[3]?.bytes.equals(big)).toBe(true);
  });

  test("a folder becomes one file that is a tar of it, and its hash is the hash of that file", async () => {
    await mkdir(path.join(folder, "app/bin"), { recursive: true });
    await writeFile(path.join(folder, "app/main.js"), "main");
    await writeFile(path.join(folder, "app/bin/run"), "#!/bin/sh\n", { mode: 0o700 });
    await symlink("../main.js", path.join(folder, "app/bin/link"));
    const blob = await readTree(path.join(folder, "app"));
    const [outer] = await unpack(
      await buffer(packBundle([{ path: "c/1/context.tar", content: { blob } }])),
    );
    expect(outer?.bytes.length).toBe(blob.size);
    expect(
      createHash("sha256")
        .update(outer?.bytes ?? "")
        .digest("hex"),
    ).toBe(blob.sha256);
    const inner = await unpack(outer?.bytes ?? Buffer.alloc(0));
    expect(inner.map(({ name, type, mode, link }) => [name, type, mode, link])).toEqual([
      ["bin/", "directory", 0o755, ""],
      ["bin/link", "symlink", 0o777, "../main.js"],
      ["bin/run", "file", 0o755, ""],
      ["main.js", "file", 0o644, ""],
    ]);
  });

  test("the same files in another checkout, at another time, are the same bytes", async () => {
    for (const name of ["a", "b"]) {
      await mkdir(path.join(folder, name));
      await writeFile(path.join(folder, name, "f"), "same");
    }
    await utimes(path.join(folder, "b/f"), 1, 1);
    await chmod(path.join(folder, "b/f"), 0o600);
    const [a, b] = await Promise.all([
      readTree(path.join(folder, "a")),
      readTree(path.join(folder, "b")),
    ]);
    expect(a.sha256).toBe(b.sha256);
    expect(a.size).toBe(b.size);
  });

  test.each([
    ["grew", "longer than before"],
    ["shrank", "x"],
    ["changed", "onf"],
  ])("a file that %s since it was hashed stops the upload", async (_case, content) => {
    const file = path.join(folder, "f");
    await writeFile(file, "one");
    const blob = await fileBlob(file);
    await writeFile(file, content);
    await expect(buffer(packBundle([{ path: "f", content: { blob } }]))).rejects.toMatchObject({
      code: "file_missing",
    });
  });

  test("a file that is gone stops the upload", async () => {
    const file = path.join(folder, "f");
    await writeFile(file, "one");
    const blob = await fileBlob(file);
    await rm(file);
    await expect(buffer(packBundle([{ path: "f", content: { blob } }]))).rejects.toMatchObject({
      code: "file_missing",
    });
  });
});

describe("readTree", () => {
  const cases: readonly [string, string, readonly string[]][] = [
    [
      "nothing ignored",
      "",
      ["Dockerfile", "a", "node_modules", "node_modules/b", "src", "src/c.log"],
    ],
    ["a folder", "node_modules\n", [".dockerignore", "Dockerfile", "a", "src", "src/c.log"]],
    [
      "patterns hold from the root, as docker has it",
      "*.log\nc.log\n",
      [".dockerignore", "Dockerfile", "a", "node_modules", "node_modules/b", "src", "src/c.log"],
    ],
    ["at any depth", "**/*.log\nnode_modules\n", [".dockerignore", "Dockerfile", "a", "src"]],
    ["taken back", "*\n!src/c.log\n", [".dockerignore", "Dockerfile", "src/c.log"]],
  ];
  test.each(cases)("%s", async (_name, ignore, expected) => {
    await mkdir(path.join(folder, "node_modules"));
    await mkdir(path.join(folder, "src"));
    for (const file of ["Dockerfile", "a", "node_modules/b", "src/c.log"])
      await writeFile(path.join(folder, file), file);
    if (ignore !== "") await writeFile(path.join(folder, ".dockerignore"), ignore);
    expect((await readTree(folder, ["Dockerfile"])).entries).toEqual(expected);
  });
});
