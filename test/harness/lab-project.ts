import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { parseDocument } from "yaml";
import type { LabOs } from "../../src/lab/systems.ts";
import { downLabHost, listLabHosts, upLabHost } from "../../src/lab/host.ts";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";

const root = path.resolve(import.meta.dirname, "../..");
const cli = path.join(root, "dist/cli.js");

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Everything that a `path → value` edit of a manifest needs: `["proxy", "sites"]`. */
export type Edit = readonly [path: readonly (string | number)[], value: unknown];

/** A folder with a manifest, its lab host, and the command line as a user calls it. */
export interface LabProject {
  readonly host: LabHost;
  readonly folder: string;
  hostkit(...words: string[]): Promise<CliResult>;
  /** Starts the command and leaves it running. */
  start(...words: string[]): ReturnType<typeof runCli>;
  /** Runs shell text on the host as root; fails the test when it fails. */
  onHost(command: string): Promise<string>;
  /** Runs shell text on the host; its status is the caller's business. */
  tryOnHost(command: string): Promise<CliResult>;
  edit(...edits: readonly Edit[]): Promise<void>;
  write(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
  down(): Promise<void>;
}

/**
 * A lab host and a project folder that holds only this manifest (with `hosts` filled in).
 * @param packages are there already: cheaper than apt in the test
 */
export async function makeProject(
  name: string,
  os: LabOs,
  manifest: string,
  packages: readonly string[] = [],
): Promise<LabProject> {
  const folder = await mkdtemp(path.join(tmpdir(), `hostkit-${name}-`));
  await writeFile(path.join(folder, "hostkit.yaml"), manifest);
  return openProject(name, os, folder, packages);
}

/** The DX Cluster stack as `hostkit init` writes it, pointed at a lab host and at a simulator on this machine. */
export async function makeDxCluster(
  name: string,
  os: LabOs,
  simulatorPort: number,
): Promise<LabProject> {
  const folder = await mkdtemp(path.join(tmpdir(), `hostkit-${name}-`));
  const init = await execa("node", [cli, "init", "--stack", "dxcluster", folder], {
    reject: false,
  });
  expect(init.exitCode, init.stderr).toBe(0);
  // Built once by scripts/prepare; a user runs ./build-packages here.
  const built = path.join(root, "templates/stacks/dxcluster");
  for (const part of ["dist", "api/dist", "dashboard/dist"]) {
    await cp(path.join(built, part), path.join(folder, part), { recursive: true });
  }
  const project = await openProject(name, os, folder);
  await offerNodeImage(project.host);
  const gateway = project.host.address.replace(/\.\d+$/, ".1");
  await project.edit(
    [["services", "scraper", "env", "DX_NODES"], `${gateway}:${simulatorPort}`],
    [["web", "api", "build"], { context: "./api", args: { BASE_IMAGE: nodeImageTag } }],
    [["web", "dashboard", "build"], { context: "./dashboard", args: { BASE_IMAGE: nodeImageTag } }],
    [["proxy", "sites", "dx.example.org", "tls"], "internal"],
  );
  return project;
}

async function openProject(
  label: string,
  os: LabOs,
  folder: string,
  packages: readonly string[] = [],
): Promise<LabProject> {
  await clearLeftovers(label);
  // Two checkouts may be tested on one machine at the same time.
  const name = `${label}-${process.pid}`;
  const host = await upLabHost({ name, os, packages });
  const environment = { HOME: folder, XDG_STATE_HOME: path.join(folder, ".state"), NO_COLOR: "1" };
  const run = (words: readonly string[]) => runCli(words, folder, environment);
  const manifest = path.join(folder, "hostkit.yaml");
  const project: LabProject = {
    host,
    folder,
    async hostkit(...words) {
      const { exitCode, stdout, stderr } = await run(words);
      const said = String(stderr);
      // A certificate that does not come has its cause in Caddy's journal, which goes with the host.
      const journal = said.includes("journalctl -u caddy")
        ? (await runOnLabHost(host, "journalctl -u caddy -n 40 --no-pager")).stdout
        : "";
      return { exitCode: exitCode ?? -1, stdout: String(stdout), stderr: said + journal };
    },
    start: (...words) => run(words),
    async onHost(command) {
      const result = await runOnLabHost(host, command);
      expect(result.exitCode, `${command}\n${result.stdout}\n${result.stderr}`).toBe(0);
      return result.stdout.trim();
    },
    tryOnHost: (command) => runOnLabHost(host, command),
    async edit(...edits) {
      const document = parseDocument(await readFile(manifest, "utf8"));
      for (const [at, value] of edits) document.setIn(at, value);
      await writeFile(manifest, document.toString({ lineWidth: 0 }));
    },
    write: (file, text) => writeFile(path.join(folder, file), text),
    read: (file) => readFile(path.join(folder, file), "utf8"),
    async down() {
      await downLabHost(name);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await project.edit([
    ["hosts"],
    {
      dx1: { address: host.address, user: "root", identity: host.keyPath, host_key: host.hostKey },
    },
  ]);
  return project;
}

/** Takes down the hosts of test runs that were killed before they could do so. */
async function clearLeftovers(label: string): Promise<void> {
  for (const { name } of await listLabHosts()) {
    const pid = name.startsWith(`${label}-`) ? Number(name.slice(label.length + 1)) : Number.NaN;
    if (Number.isInteger(pid) && !existsSync(`/proc/${pid}`)) await downLabHost(name);
  }
}

/** The command line in another folder: a second stack on the same host. */
export async function runIn(folder: string, ...words: string[]): Promise<CliResult> {
  const environment = { HOME: folder, XDG_STATE_HOME: path.join(folder, ".state"), NO_COLOR: "1" };
  const { exitCode, stdout, stderr } = await runCli(words, folder, environment);
  return { exitCode: exitCode ?? -1, stdout: String(stdout), stderr: String(stderr) };
}

function runCli(words: readonly string[], cwd: string, env: Readonly<Record<string, string>>) {
  return execa("node", [cli, ...words], { cwd, env, reject: false, stdin: "ignore" });
}

export interface Simulator {
  readonly port: number;
  status(): Promise<{ readonly announced: number; readonly logins: number }>;
  /** Stalls, resumes, drops, sends garbage, changes its rate: what the simulator's control offers. */
  tell(what: string, body?: object): Promise<void>;
  /** These bytes as one line. */
  raw(bytes: Buffer): Promise<void>;
  /** Makes the node announce a spot to everybody who is logged in. */
  spot(spot: { spotter: string; frequency: number; dx: string; comment: string }): Promise<void>;
  stop(): Promise<void>;
}

/** The cluster node simulator of the stack, on every address of this machine; `more`: options that win over these. */
export async function startSimulator(...more: string[]): Promise<Simulator> {
  const [port, control] = await findFreePorts();
  const program = path.join(root, "templates/stacks/dxcluster/simulator/dist/simulator.cjs");
  const child = execa(
    "node",
    [
      program,
      "--host",
      "0.0.0.0",
      "--port",
      String(port),
      "--control",
      String(control),
      "--rate",
      "2",
      ...more,
    ],
    { reject: false, stdin: "ignore", stdout: "ignore", stderr: "ignore" },
  );
  const call = async (where: string, body?: unknown): Promise<Response> =>
    fetch(
      `http://127.0.0.1:${control}${where}`,
      body === undefined ? {} : { method: "POST", body: JSON.stringify(body) },
    );
  await until("the simulator answers", async () => (await call("/status")).ok);
  return {
    port,
    status: async () => (await call("/status")).json() as ReturnType<Simulator["status"]>,
    async tell(what, body = {}) {
      expect((await call(`/${what}`, body)).status).toBe(200);
    },
    async raw(bytes) {
      const body = new Uint8Array(bytes);
      const answer = await fetch(`http://127.0.0.1:${control}/raw`, { method: "POST", body });
      expect(await answer.json()).toMatchObject({ receivers: 1 });
    },
    async spot(spot) {
      await until("somebody is logged in to the node", async () => (await call("/spot", spot)).ok);
    },
    async stop() {
      child.kill("SIGKILL");
      await child;
    },
  };
}

/** Two ports that nobody listens on, and that the kernel does not give out again at once. */
export async function findFreePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as [number, number];
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** GET over HTTPS with the site's name, at the host's address. `ca`: PEM that must have signed; without it anything goes. */
export function getSite(
  address: string,
  site: string,
  where: string,
  ca?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: address,
        port: 443,
        path: where,
        servername: site,
        headers: { host: site },
        agent: false,
        timeout: 5000,
        ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
        response.on("error", reject);
      },
    );
    call.on("timeout", () => call.destroy(new Error("no answer within 5 s")));
    call.on("error", reject);
    call.end();
  });
}

/** Asks again and again until the answer is true; errors count as "not yet". */
export async function until(
  what: string,
  check: () => Promise<boolean>,
  seconds = 60,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      if (await check()) return;
      last = "not yet";
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${what}: not within ${seconds} s (${String(last)})`);
}
