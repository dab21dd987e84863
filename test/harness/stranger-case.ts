import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { parse } from "yaml";
import { z } from "zod";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { ensureNodeImage } from "../../src/lab/node-image.ts";
import { type LabOs, labSystemNames } from "../../src/lab/systems.ts";
import { distributionOn } from "./systems.ts";

const root = path.resolve(import.meta.dirname, "../..");
const cli = path.join(root, "dist/cli.js");
const folderOfCases = path.join(root, "test/cases/strangers");

const content = z.union([
  z.string(),
  z.strictObject({ text: z.string(), mode: z.string().optional() }),
  z.strictObject({ base64: z.string(), mode: z.string().optional() }),
]);
const files = z.record(z.string(), content);
const texts = z.array(z.string()).min(1);
const words = z.union([z.string(), texts]);

const action = z.union([
  /** A command line of hostkit. `says`, `never`: parts of its output, both streams together; `$PG_MAJOR` as in packages. */
  z.strictObject({
    hostkit: words,
    exit: z.number().int().optional(),
    says: texts.optional(),
    never: texts.optional(),
    environment: z.record(z.string(), z.string()).optional(),
  }),
  /** A root shell on the host, which must end with 0. `prints`, `never`: parts of its standard output. */
  z.strictObject({
    host: z.string(),
    prints: z.union([z.string(), texts]).optional(),
    never: texts.optional(),
  }),
  /** Files beside the manifest; `hostkit.yaml` is one of them. */
  z.strictObject({ write: files }),
  /** Power cut, then power. */
  z.strictObject({ reboot: z.literal(true) }),
]);

const schema = z.strictObject({
  title: z.string(),
  /** Chapter and item of what was promised: "A3". */
  letter: z.string().regex(/^[A-F]\d*$/),
  /** "refused" always means: before anything was changed. */
  right: z.enum(["handled", "refused"]),
  /** What hostkit does in this state, one sentence. */
  words: z.string(),
  systems: z.array(z.enum(labSystemNames)).optional(),
  /** `$PG_MAJOR` is the distribution's PostgreSQL, `$DOCKER` its Docker. */
  packages: z.array(z.string()).optional(),
  ci: z.boolean().optional(),
  node_image: z.boolean().optional(),
  state: z.string().optional(),
  manifest: z.string(),
  files: files.optional(),
  login: z.enum(["root", "ops", "deploy"]).optional(),
  actions: z.array(action).min(1),
});

/** A state or an input that somebody else's host or project has, and what is right then. */
export type StrangerCase = z.infer<typeof schema> & {
  /** `kind/name`, from its path. */
  readonly name: string;
};

/** Reads every case. @throws Error naming the file that does not have the form */
export async function readStrangerCases(): Promise<StrangerCase[]> {
  const found = await readdir(folderOfCases, { recursive: true });
  const names = found.filter((name) => name.endsWith(".yaml")).sort();
  return Promise.all(
    names.map(async (file) => {
      const read = schema.safeParse(parse(await readFile(path.join(folderOfCases, file), "utf8")));
      if (!read.success) throw new Error(`${file}: ${z.prettifyError(read.error)}`);
      return { ...read.data, name: file.replace(/\.yaml$/, "") };
    }),
  );
}

/** Whether a case only asks `hostkit check`, so that no host is needed. */
export function isCheckOnly(one: StrangerCase): boolean {
  return (
    one.state === undefined &&
    one.actions.every(
      (step) => "write" in step || ("hostkit" in step && wordsOf(step.hostkit)[0] === "check"),
    )
  );
}

/** The systems that a case is tried on; a check has none. */
export function systemsOf(one: StrangerCase): readonly (LabOs | "none")[] {
  if (isCheckOnly(one)) return ["none"];
  return one.systems ?? labSystemNames;
}

/** Carries out a case on a host of its own. @throws Error with all that was said, where something is not right */
export async function runStrangerCase(one: StrangerCase, system: LabOs | "none"): Promise<void> {
  const label = createHash("sha256").update(one.name).digest("hex").slice(0, 8);
  const name = `strange-${label}-${process.pid}-${system.slice(-2)}`;
  const folder = await mkdtemp(path.join(tmpdir(), `hostkit-${label}-`));
  try {
    const host =
      system === "none"
        ? undefined
        : await upLabHost({ name, os: system, packages: packagesOf(one, system) });
    const hosts = renderHosts(host, one.login ?? "root");
    await writeFiles(folder, hosts, { "hostkit.yaml": withHosts(one.manifest, hosts) });
    await writeFiles(folder, hosts, one.files ?? {});
    if (host !== undefined) await prepare(one, host, folder);
    const said: string[] = [];
    for (const step of one.actions) await carryOut(step, { host, hosts, folder, said });
  } finally {
    if (system !== "none") await downLabHost(name);
    await rm(folder, { recursive: true, force: true });
  }
}

function packagesOf(one: StrangerCase, system: LabOs): string[] {
  return (one.packages ?? []).flatMap((name) =>
    name === "$DOCKER" ? distributionOn(system).docker : [withMajor(name, system)],
  );
}

/** `$PG_MAJOR` is the distribution's PostgreSQL. */
function withMajor(text: string, system: LabOs): string {
  return text.replaceAll("$PG_MAJOR", String(distributionOn(system).postgresql));
}

async function prepare(one: StrangerCase, host: LabHost, folder: string): Promise<void> {
  if (one.node_image === true) {
    await offerNodeImage(host);
    await copyFile((await ensureNodeImage()).file, path.join(folder, "node-image.tar.gz"));
  }
  if (one.state === undefined) return;
  const result = await runOnLabHost(host, "sh -eu", { input: shellText(one.state, host) });
  if (result.exitCode !== 0) {
    throw new Error(`the state could not be made\n${result.stdout}\n${result.stderr}`);
  }
}

function shellText(text: string, host: LabHost): string {
  return `PG_MAJOR=${distributionOn(host.os).postgresql}\nexport PG_MAJOR DEBIAN_FRONTEND=noninteractive\n${text}\n`;
}

interface Place {
  readonly host: LabHost | undefined;
  readonly hosts: string;
  readonly folder: string;
  /** Everything that was done and answered, for whoever reads a failure. */
  readonly said: string[];
}

async function carryOut(step: z.infer<typeof action>, place: Place): Promise<void> {
  const { host, hosts, folder, said } = place;
  if ("write" in step) return writeFiles(folder, hosts, step.write);
  if ("hostkit" in step) {
    const line = wordsOf(step.hostkit);
    const result = await execa("node", [cli, ...line], {
      cwd: folder,
      env: {
        HOME: folder,
        XDG_STATE_HOME: path.join(folder, ".state"),
        NO_COLOR: "1",
        ...step.environment,
      },
      reject: false,
      stdin: "ignore",
      all: true,
    });
    said.push(`$ hostkit ${line.join(" ")}   (exit ${result.exitCode})\n${result.all}`);
    if (result.exitCode !== (step.exit ?? 0)) fail(`exit should be ${step.exit ?? 0}`, said);
    const asked = (parts?: readonly string[]) =>
      host === undefined ? parts : parts?.map((part) => withMajor(part, host.os));
    compare(result.all, asked(step.says), asked(step.never), said);
    return;
  }
  if (host === undefined) throw new Error("this needs a host");
  if ("reboot" in step) {
    const { powerOffLabHost, powerOnLabHost } = await import("../../src/lab/host.ts");
    await powerOffLabHost(host.name);
    await powerOnLabHost(host.name);
    return;
  }
  const result = await runOnLabHost(host, "sh -eu", { input: shellText(step.host, host) });
  said.push(`# ${step.host}   (exit ${result.exitCode})\n${result.stdout}${result.stderr}`);
  if (result.exitCode !== 0) fail("the host's shell should end with 0", said);
  const prints = typeof step.prints === "string" ? [step.prints] : step.prints;
  compare(result.stdout, prints, step.never, said);
}

function compare(
  text: string,
  says: readonly string[] | undefined,
  never: readonly string[] | undefined,
  said: readonly string[],
): void {
  for (const part of says ?? []) {
    if (!text.includes(part)) fail(`should say: ${part}`, said);
  }
  for (const part of never ?? []) {
    if (text.includes(part)) fail(`should not say: ${part}`, said);
  }
}

function fail(what: string, said: readonly string[]): never {
  throw new Error(`${what}\n${said.join("\n")}`);
}

function wordsOf(line: z.infer<typeof words>): readonly string[] {
  return typeof line === "string" ? line.split(" ") : line;
}

/** One line, so that a manifest's own lines keep their numbers. */
function renderHosts(host: LabHost | undefined, user: string): string {
  const entry =
    host === undefined
      ? { address: "host.example.org" }
      : { address: host.address, user, identity: host.keyPath, host_key: host.hostKey };
  return `hosts: ${JSON.stringify({ h1: entry })}`;
}

function withHosts(manifest: string, hosts: string): string {
  if (/^hosts:/m.test(manifest) || manifest.includes("@HOSTS@")) return manifest;
  return `${manifest.trimEnd()}\n${hosts}\n`;
}

/** `@HOSTS@` in a text stands for the `hosts` section, for further manifests. */
async function writeFiles(
  folder: string,
  hosts: string,
  all: Readonly<Record<string, z.infer<typeof content>>>,
): Promise<void> {
  for (const [name, value] of Object.entries(all)) {
    const target = path.join(folder, name);
    await mkdir(path.dirname(target), { recursive: true });
    const bytes =
      typeof value === "string"
        ? renderText(name, value, hosts)
        : "text" in value
          ? renderText(name, value.text, hosts)
          : Buffer.from(value.base64, "base64");
    const mode = typeof value === "string" ? undefined : value.mode;
    await writeFile(target, bytes, mode === undefined ? {} : { mode: Number.parseInt(mode, 8) });
  }
}

function renderText(name: string, text: string, hosts: string): string {
  return (name === "hostkit.yaml" ? withHosts(text, hosts) : text).replace("@HOSTS@", hosts);
}
