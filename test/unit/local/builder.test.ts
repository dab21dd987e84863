import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildHere, findBuilder } from "../../../src/local/builder.ts";
import type { LocalBuild } from "../../../src/local/builder.ts";
import { readTree } from "../../../src/local/tree.ts";

let folder: string;
let build: LocalBuild;
const usualPath = process.env["PATH"];
const own = process.arch === "arm64" ? "arm64" : "amd64";

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-builder-"));
  for (const name of ["bin", "context", "out"]) await mkdir(path.join(folder, name));
  await writeFile(path.join(folder, "context/app"), "app\n");
  build = {
    ...{ service: "api", reference: "hostkit/s-api:1234", architecture: own },
    ...{
      name: "Dockerfile",
      text: "FROM scratch\n",
      args: { A: "a b; $(touch x)" },
      target: "run",
    },
    secrets: [{ name: "TOKEN", value: "sesame" }],
    key: { name: "KEY", value: "private" },
    context: await readTree(path.join(folder, "context")),
  };
  // None of this machine's own builders.
  process.env["PATH"] = `${path.join(folder, "bin")}:${path.join(folder, "tools")}`;
  await mkdir(path.join(folder, "tools"));
  for (const tool of ["sh", "cat", "tar", "echo"])
    await program("tools", tool, `exec /bin/${tool} "$@"`);
});
afterEach(async () => {
  process.env["PATH"] = usualPath;
  await rm(folder, { recursive: true });
});

async function program(where: string, name: string, text: string): Promise<void> {
  const file = path.join(folder, where, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
}

/** Notes its words, one a line, and does what `cases` says. */
const fake = (name: string, cases: string): Promise<void> =>
  program("bin", name, `printf '%s\\n' "$@" -- >>${folder}/words\ncase "$*" in ${cases} esac`);
const words = async (): Promise<string[]> =>
  (await readFile(path.join(folder, "words"), "utf8")).split("\n");

const docker = (server: string, rest = ""): Promise<void> =>
  fake("docker", `"version "*) ${server} ;; --version) ;; "buildx version") ;; ${rest}`);

describe("the builder is", () => {
  test.each<[name: string, there: () => Promise<unknown>, chosen: string]>([
    [
      "docker before all others",
      async () =>
        Promise.all([docker("echo 28.2.2 amd64"), fake("podman", ""), fake("buildah", "")]),
      "docker",
    ],
    [
      "podman where Docker's daemon is away",
      async () => Promise.all([docker("exit 1"), fake("podman", "")]),
      "podman",
    ],
    ["podman", async () => Promise.all([fake("podman", ""), fake("buildah", "")]), "podman"],
    ["buildah", async () => fake("buildah", ""), "buildah"],
  ])("%s", async (_name, there, chosen) => {
    await there();
    expect((await findBuilder("api")).program).toBe(chosen);
  });

  test.each<[name: string, there: () => Promise<unknown>, next: string]>([
    ["nowhere", async () => undefined, "apt-get install podman"],
    ["a Docker without its daemon", async () => docker("exit 1"), "systemctl start docker"],
    [
      "a Docker without BuildKit",
      async () => fake("docker", `"version "*) echo 28.2.2 amd64 ;; --version) ;; *) exit 1 ;;`),
      "apt-get install docker-buildx",
    ],
  ])("%s: said with what to do", async (_name, there, next) => {
    await there();
    await expect(findBuilder("api")).rejects.toMatchObject({
      code: "local_command_failed",
      parts: { next: expect.stringContaining(next) as string },
    });
  });
});

describe("an image is built here", () => {
  test.each([
    ["docker", ""],
    ["podman", "save --quiet --output"],
    ["buildah", "push --quiet hostkit/s-api:1234 docker-archive:"],
  ])("by %s, from a folder of its own, with secrets in files that go", async (name, saves) => {
    await fake(
      name,
      `"version "*) echo 20.10.24 ${own} ;; --version) ;;
"build "*)
  cat ${folder}/out/context-${build.context.sha256}/app ${folder}/out/recipe/Dockerfile
  for word in "$@"; do case $word in id=*,src=*) cat "\${word#*,src=}" ;; default=*) cat "\${word#*=}" ;; esac; done ;;
"image save "*) echo saved ;;
"image ls "*) echo hostkit/s-api:1234; echo hostkit/s-api:old ;;`,
    );
    let said = "";
    const archive = await buildHere(build, path.join(folder, "out"), (chunk) => {
      said += chunk.toString();
    });
    expect(said).toBe("app\nFROM scratch\nsesameprivate");
    const all = await words();
    expect(all).toContain(path.join(folder, "out", `context-${build.context.sha256}`));
    // A value is one word, and a word only; a secret is none.
    expect(all).toContain("A=a b; $(touch x)");
    expect(all.join(" ")).toContain("--target run --secret id=TOKEN,src=");
    expect(all.join(" ")).not.toMatch(/sesame|private/);
    const [hidden = ""] = /(?<=src=).*(?=\/TOKEN)/.exec(all.join("\n")) ?? [];
    await expect(readFile(path.join(hidden, "TOKEN"))).rejects.toThrow("ENOENT");
    if (name === "docker") {
      expect(await readFile(archive, "utf8")).toBe("saved\n");
      expect(all.join(" ")).toContain("image rm hostkit/s-api:old --");
    } else expect(all.join(" ")).toContain(saves);
  });

  test("or not: what failed is shown, and no host was touched", async () => {
    await docker(`echo 26.1.5+dfsg1 ${own}`, `"build "*) echo "no such stage" >&2; exit 3 ;;`);
    await expect(buildHere(build, path.join(folder, "out"), () => undefined)).rejects.toMatchObject(
      {
        code: "local_command_failed",
        parts: { what: "docker build failed", details: ["no such stage"] },
      },
    );
  });

  test("or not: the context changed meanwhile", async () => {
    await docker(`echo 26.1.5+dfsg1 ${own}`, `"build "*) ;;`);
    await writeFile(path.join(folder, "context/app"), "else\n");
    await expect(buildHere(build, path.join(folder, "out"), () => undefined)).rejects.toMatchObject(
      {
        code: "file_missing",
      },
    );
  });

  test("or not: for a processor whose programs do not run here", async () => {
    await docker(`echo 26.1.5+dfsg1 ${own}`);
    await expect(
      buildHere({ ...build, architecture: "mips64le" }, path.join(folder, "out"), () => undefined),
    ).rejects.toMatchObject({
      code: "image_unfit",
      parts: { what: "api cannot be built here for linux/mips64le" },
    });
    expect(await words()).not.toContain("build");
  });
});
