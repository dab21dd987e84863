import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";
import { expect } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import type { LabOs } from "../../src/lab/systems.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { makeProject } from "./lab-project.ts";
import type { CliResult, LabProject } from "./lab-project.ts";
import { releaseProgram } from "./release-program.ts";
import { watchSite } from "./visitors.ts";
import type { Seen } from "./visitors.ts";

/** What services in containers behind the proxy need of the distribution; a test that is about packages has a bare host. */
export const servicePackages: Readonly<Record<LabOs, readonly string[]>> = {
  "debian-12": ["caddy", "curl", "docker.io", "iptables"],
  "debian-13": ["caddy", "curl", "docker-buildx", "docker-cli", "docker.io", "iptables"],
};

/** The site of the stack. */
export const shopSite = "shop.lab.example";

export interface ListedRelease {
  readonly id: string;
  readonly state: string;
  readonly watched?: boolean;
  readonly bad?: string;
}

/** A lab host for the stack `shop`, whose one web service `page` is made anew for each test. */
export interface ReleaseProject {
  readonly project: LabProject;
  /** The next release: what it answers, and how it goes wrong. */
  make(version: string, mode?: string): Promise<void>;
  provision(): Promise<CliResult>;
  /** Does something while people ask the site. */
  underVisitors(work: () => Promise<CliResult>): Promise<{ result: CliResult; seen: Seen }>;
  /** `NAME STATE` of each container. */
  containers(): Promise<string>;
  /** Oldest first. */
  releases(): Promise<ListedRelease[]>;
}

/**
 * @param name of the lab host
 * @param more keys of the web service, a line each
 * @param sections before `web`, lines of YAML
 * @param os of the lab host
 */
export async function makeReleaseProject(
  name: string,
  more: readonly string[],
  sections = "",
  os: LabOs = "debian-13",
): Promise<ReleaseProject> {
  const keys = [
    "build: page",
    "port: 8000",
    "health: { path: /, interval: 2s, timeout: 2s, grace: 6s }",
    "resources: { memory: 128M }",
    ...more,
  ];
  const project = await makeProject(
    name,
    os,
    `stack: shop
hosts: {}
${sections}web:
  page:
${keys.map((line) => `    ${line}\n`).join("")}proxy:
  sites: { ${shopSite}: { tls: internal, routes: { "/*": page } } }
host: { updates: none }
firewall: none
`,
    servicePackages[os],
  );
  await offerNodeImage(project.host);
  await mkdir(path.join(project.folder, "page"));
  await writeSecrets(project, "TOKEN=sesame-under-the-mat\n");
  await project.write("page/server.js", releaseProgram);
  await project.write(
    "page/Dockerfile",
    `FROM ${nodeImageTag}\nCOPY server.js version /\nCMD ["node", "/server.js"]\n`,
  );
  return {
    project,
    make: (version, mode = "good") => project.write("page/version", `${version} ${mode}\n`),
    provision: () => project.hostkit("provision", "--yes"),
    async underVisitors(work) {
      const visitors = watchSite(project.host.address, shopSite);
      const result = await work();
      return { result, seen: await visitors.stop() };
    },
    containers: () => project.onHost("docker ps -a --format '{{.Names}} {{.State}}' | sort"),
    async releases() {
      const { stdout, stderr } = await project.hostkit("releases", "page", "--json");
      expect(stderr).toBe("");
      return (
        (JSON.parse(stdout) as { hosts: { releases: ListedRelease[] }[] }).hosts[0]?.releases ?? []
      );
    },
  };
}

/** Lays the secrets of a project down as a user does. */
export async function writeSecrets(project: LabProject, text: string): Promise<void> {
  await mkdir(path.join(project.folder, ".hostkit"), { recursive: true });
  await project.write(".hostkit/secrets", text);
  await chmod(path.join(project.folder, ".hostkit/secrets"), 0o600);
}

/** The result of a command that has to end well. */
export async function succeed(result: Promise<CliResult>): Promise<CliResult> {
  const done = await result;
  expect(done.exitCode, done.stdout + done.stderr).toBe(0);
  return done;
}
