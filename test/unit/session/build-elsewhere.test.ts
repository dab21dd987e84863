import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { gatherFacts } from "../../../src/host/gather.ts";
import { readTree } from "../../../src/local/tree.ts";
import {
  elsewhereScript,
  startElsewhere,
} from "../../../src/resources/containers/build-elsewhere.ts";
import type { BuildSource } from "../../../src/resources/containers/build-source.ts";
import { buildElsewhere } from "../../../src/session/build-elsewhere.ts";
import { builderDestinationOf } from "../../../src/session/project.ts";
import type { Connection, ExecOptions, ExecResult } from "../../../src/ssh/connection.ts";

vi.mock("../../../src/host/gather.ts", () => ({ gatherFacts: vi.fn<typeof gatherFacts>() }));

const decoy = "decoy-77aa10";

/** What a host is that builds, and what it does. */
interface Builder {
  readonly docker?: { readonly engine: string; readonly hasPlugin: boolean };
  readonly architecture: string;
  readonly isSystemd: boolean;
  readonly emulator: string;
  readonly isFar: boolean;
  readonly unreachable?: true;
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const usual: Builder = {
  ...{ docker: { engine: "26.1.5", hasPlugin: true }, architecture: "amd64", isSystemd: true },
  ...{ emulator: "", isFar: false, code: 0, stdout: Buffer.from("an archive"), stderr: "" },
};

let folder: string;
let source: BuildSource;
/** Commands, and what was sent to them. */
let ran: { command: string; input: string }[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-elsewhere-"));
  await mkdir(path.join(folder, "context"));
  await mkdir(path.join(folder, "out"));
  await writeFile(path.join(folder, "context/app"), "app\n");
  ran = [];
  source = {
    ...{ kind: "build", name: "Dockerfile", text: "FROM scratch\n", plainText: "FROM scratch\n" },
    context: await readTree(path.join(folder, "context")),
    ...{ wish: { file: "./api/Dockerfile", features: [] }, args: { A: "a b; $(touch x)" } },
    ...{ secrets: [{ name: "TOKEN", value: decoy }], target: "run" },
    key: { name: "KEY", value: "private" },
    usual: { engine: "26.1.5", hasPlugin: true },
  };
});
afterEach(async () => rm(folder, { recursive: true }));

function connectTo(builder: Builder): Connection {
  const exec = async (command: string, options: ExecOptions = {}): Promise<ExecResult> => {
    const taken = { command, input: "" };
    ran.push(taken);
    const none = { code: 0, signal: null, stderr: "" };
    if (!command.includes("systemd-run")) return { ...none, stdout: builder.emulator };
    for await (const chunk of options.stdin as AsyncIterable<Buffer>) {
      taken.input += chunk.toString("latin1");
      // Nothing more comes before the image is there.
      if (taken.input.endsWith("\n.\n")) break;
    }
    for (const chunk of [builder.stdout.subarray(0, 4), builder.stdout.subarray(4)])
      await options.onStdout?.(chunk);
    options.onStderr?.(Buffer.from(builder.stderr));
    return { ...none, code: builder.code, stdout: "" };
  };
  const { isFar } = builder;
  return { exec, isFar, close: async () => undefined } as unknown as Connection;
}

async function buildOn(changes: Partial<Builder>): Promise<string> {
  const builder = { ...usual, ...changes };
  const { docker, architecture, isSystemd } = builder;
  const answers = [docker, { architecture, isSystemd }];
  vi.mocked(gatherFacts).mockResolvedValue({
    get: ({ name }: { name: string }) => answers[name === "docker-builder" ? 0 : 1],
  } as never);
  return buildElsewhere({
    host: {
      name: "farm",
      connect: async () => {
        if (builder.unreachable !== true) return connectTo(builder);
        throw new HostkitError("host_unreachable", {
          what: "farm does not answer",
          why: "ECONNREFUSED",
        });
      },
      route: () => ({ address: "farm", port: 22, isDirect: true }),
    },
    ...{ stack: "shop", service: "api", source, architecture: "amd64" },
    ...{ folder: path.join(folder, "out"), say: () => undefined },
  });
}

describe("an image that a host builds for others", () => {
  test.each([
    ["near", {}],
    ["far", { isFar: true, stdout: gzipSync("an archive") }],
    ["of another architecture that it can run", { architecture: "arm64", emulator: "enabled\n" }],
  ])("comes here: %s", async (_name, changes: Partial<Builder>) => {
    expect(await readFile(await buildOn(changes), "utf8")).toBe("an archive");
    const { command, input } = ran.at(-1) ?? { command: "", input: "" };
    expect(command + input).not.toContain(decoy);
    expect(input).toContain(`TOKEN ${Buffer.from(decoy).toString("base64")}\n`);
    expect(input.includes(" --platform linux/amd64 ")).toBe("architecture" in changes);
  });

  test.each<[string, Partial<Builder>, string, RegExp]>([
    ["nobody answers", { unreachable: true }, "host_unreachable", /farm does not answer/],
    ["there is no systemd", { isSystemd: false }, "image_unfit", /without systemd/],
    ["no Docker answers", { docker: undefined as never }, "image_unfit", /no Docker answers/],
    [
      "the plugin is not there",
      { docker: { engine: "26.1.5", hasPlugin: false } },
      "image_unfit",
      /buildx/,
    ],
    [
      "it has no BuildKit",
      { docker: { engine: "19.03", hasPlugin: false } },
      "image_unfit",
      /19\.03/,
    ],
    [
      "it cannot run the other's programs",
      { architecture: "arm64" },
      "image_unfit",
      /linux\/amd64/,
    ],
    [
      "the build fails",
      { code: 1, stderr: "#5 noise\nthe build failed:\nthe cause\n" },
      "run_failed",
      /build of api failed/,
    ],
    ["the unit is killed", { code: 143 }, "run_failed", /build of api failed/],
    [
      "Docker gives half of it",
      { stderr: "docker image save failed\n" },
      "run_failed",
      /did not come here whole/,
    ],
    [
      "a packed one breaks off",
      { isFar: true, stdout: gzipSync("an archive").subarray(0, 20) },
      "run_failed",
      /did not come here whole/,
    ],
    ["what comes is not packed", { isFar: true }, "run_failed", /did not come here whole/],
  ])("is told of the builder where %s", async (_name, changes, code, what) => {
    const error = await buildOn(changes).catch((thrown: unknown) => thrown as HostkitError);
    if (!(error instanceof HostkitError)) throw new Error("it went well");
    expect(error.code).toBe(code);
    expect(error.parts.what).toMatch(what);
    expect(error.parts.where).toContain("farm, which builds api");
    expect(error.parts.why).toContain("no host that runs it was touched");
    expect(JSON.stringify(error.parts)).not.toContain("noise");
    expect(JSON.stringify(error.parts)).not.toContain(decoy);
  });

  test("of files that changed meanwhile is none", async () => {
    await writeFile(path.join(folder, "context/app"), "app, and more\n");
    await expect(buildOn({})).rejects.toMatchObject({ code: "file_missing" });
  });

  test.each([
    [
      "the build",
      () =>
        elsewhereScript({ ...{ stack: "shop", id: "a1", source, text: "" }, isPacked: true }).text,
    ],
    ["its start", () => startElsewhere({ stack: "shop", id: "a1" }, 9).text],
  ])("has a script that a shell can read: %s", async (_name, text) => {
    const child = promisify(execFile)("sh", ["-n"]);
    child.child.stdin?.end(text());
    await expect(child).resolves.toBeDefined();
  });
});

test.each([
  ["farm", { address: "farm" }],
  ["ci@farm.example.org", { address: "farm.example.org", user: "ci" }],
  ["ci@[2001:db8::7]:2222", { address: "2001:db8::7", user: "ci", port: 2222 }],
])("a builder of no manifest, as it stands behind ssh: %s", (name, expected) => {
  expect(builderDestinationOf(name)).toEqual({ name, ...expected });
});
