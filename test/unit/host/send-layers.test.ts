import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { sendLayers } from "../../../src/host/send-layers.ts";
import type { SendOptions } from "../../../src/host/send-layers.ts";
import { layersFolderOf } from "../../../src/resources/containers/load.ts";
import type { PackedLayer } from "../../../src/resources/containers/packed-image.ts";
import type { Connection, ExecOptions, ExecResult } from "../../../src/ssh/connection.ts";
import { ScriptedConnection } from "../../harness/scripted-connection.ts";

let stackDirectory: string;
beforeEach(async () => {
  stackDirectory = await mkdtemp(path.join(tmpdir(), "hostkit-layers-"));
});
afterEach(() => rm(stackDirectory, { recursive: true }));

const reference = "hostkit/s-api:1234";
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const contents = [randomBytes(300_000), randomBytes(200_000)];
const layers: PackedLayer[] = contents.map((bytes, index) => ({
  ...{ diffId: hashOf(bytes), name: `l${index}`, size: bytes.length, packing: "none" },
}));
const folder = (): string => layersFolderOf(stackDirectory, reference);

/** This machine as the host: scripts run in a shell here. `cuts`: after so many bytes of a layer the link is lost, one each. */
class LocalConnection extends ScriptedConnection implements Connection {
  readonly cuts: number[];
  bytes = 0;

  override readonly isFar: boolean;

  constructor(cuts: readonly number[] = [], isFar = false) {
    super([]);
    this.cuts = [...cuts];
    this.isFar = isFar;
  }

  override async exec(
    shellText: string,
    { stdin, onStdout }: ExecOptions = {},
  ): Promise<ExecResult> {
    const sent =
      stdin instanceof Readable
        ? Buffer.concat((await stdin.toArray()) as Buffer[])
        : Buffer.alloc(0);
    const cut = sent.length > 0 ? this.cuts.shift() : undefined;
    const input = sent.subarray(0, cut);
    this.bytes += input.length;
    const result = await execa("sh", ["-c", shellText], {
      input,
      reject: false,
      encoding: "buffer",
      stripFinalNewline: false,
    });
    if (cut !== undefined)
      throw new HostkitError("host_unreachable", { what: "the connection was lost" });
    onStdout?.(Buffer.from(result.stdout));
    return {
      ...{ code: result.exitCode ?? null, signal: null },
      stdout: onStdout === undefined ? Buffer.from(result.stdout).toString() : "",
      stderr: Buffer.from(result.stderr).toString(),
    };
  }
}

function options(more: Partial<SendOptions> = {}, packed = layers): SendOptions {
  return {
    ...{ stackDirectory, from: "a.tar", newMarker: () => "abc123" },
    ...{ reference, service: "api" },
    image: { platform: "linux/amd64", config: "{}", layers: packed },
    open: ({ name }, from) => Readable.from([contents[Number(name.slice(1))]?.subarray(from)]),
    ...more,
  };
}

async function expectWhole(): Promise<void> {
  for (const [index, { diffId }] of layers.entries())
    expect(hashOf(await readFile(path.join(folder(), "blobs/sha256", diffId)))).toBe(
      hashOf(contents[index] ?? Buffer.of()),
    );
  expect(await readdir(path.join(folder(), "part"))).toEqual([]);
}

describe("layers are sent", () => {
  test.each<[name: string, cuts: number[], far: boolean]>([
    ["in one go", [], false],
    ["packed, where it is far", [], true],
    ["over a link that is cut", [120_000], false],
    ["over one that is cut again and again", [120_000, 60_000, 1, 50_000, 1000, 7000], false],
    ["over a far one that is cut", [120_000, 30_000], true],
  ])("%s", async (_name, cuts, far) => {
    const connection = new LocalConnection(cuts, far);
    const progress: number[] = [];
    const sent = await sendLayers(
      connection,
      options({ onProgress: ({ sent: at }) => progress.push(at) }),
    );
    await expectWhole();
    expect(sent).toMatchObject({ known: 0, layers: 2 });
    // What arrived did not go again; a packer holds back some of what it was given.
    expect(connection.bytes).toBeLessThan(500_000 + (far ? 100_000 : 1));
    expect(progress.at(-1)).toBeLessThanOrEqual(500_000);
  });

  test("and go on in a later call", async () => {
    const lost = new LocalConnection([290_000, 0, 0, 0, 0, 0]);
    await expect(sendLayers(lost, options())).rejects.toMatchObject({
      code: "host_unreachable",
      parts: { next: "the same command again goes on from there" },
    });
    const again = new LocalConnection();
    await sendLayers(again, options());
    expect(again.bytes).toBe(210_000);
    await expectWhole();
  });

  test("not again where they are whole", async () => {
    await sendLayers(new LocalConnection(), options());
    const again = new LocalConnection();
    await sendLayers(again, options());
    expect(again.bytes).toBe(0);
  });

  test.each([
    ["other bytes", Buffer.alloc(1000, 1)],
    ["too many", Buffer.alloc(400_000, 1)],
  ])("anew where there are %s of what was sent before", async (_name, bytes) => {
    await mkdir(path.join(folder(), "part"), { recursive: true });
    await mkdir(path.join(folder(), "blobs/sha256"), { recursive: true });
    await writeFile(path.join(folder(), "part", layers[0]?.diffId ?? ""), bytes);
    await sendLayers(new LocalConnection(), options());
    await expectWhole();
  });

  test("plain, where they lie packed", async () => {
    const packed = layers.map((layer): PackedLayer => ({ ...layer, packing: "gzip", size: 1 }));
    const open: SendOptions["open"] = ({ name }, from) =>
      Readable.from([gunzipSync(gzipSync(contents[Number(name.slice(1))] ?? "")).subarray(from)]);
    const { sizes } = await sendLayers(new LocalConnection(), options({ open }, packed));
    expect([...sizes.values()]).toEqual([300_000, 200_000]);
    await expectWhole();
  });
});

describe("layers are refused", () => {
  test.each<[name: string, bytes: Buffer]>([
    ["that are others than the image says", Buffer.alloc(300_000, 7)],
    ["that became shorter", contents[0]?.subarray(0, 1000) ?? Buffer.of()],
    ["that became longer", Buffer.concat([contents[0] ?? Buffer.of(), Buffer.alloc(10)])],
  ])("%s", async (_name, bytes) => {
    const open: SendOptions["open"] = (_layer, from) => Readable.from([bytes.subarray(from)]);
    await expect(sendLayers(new LocalConnection(), options({ open }))).rejects.toMatchObject({
      code: "file_missing",
      parts: { where: "l0 in a.tar", what: "a layer of api is not what its image says of it" },
    });
    expect(await readdir(path.join(folder(), "blobs/sha256"))).toEqual([]);
  });

  test("that need more room than there is", async () => {
    const [first] = layers;
    if (first === undefined) throw new Error("no layer");
    const huge = [{ ...first, size: 2 ** 60 }];
    const connection = new LocalConnection();
    await expect(sendLayers(connection, options({}, huge))).rejects.toMatchObject({
      code: "disk_full",
    });
    expect(connection.bytes).toBe(0);
  });
});
