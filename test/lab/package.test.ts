import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost, sshArguments } from "../../src/lab/login.ts";
import type { LoginOptions } from "../../src/lab/login.ts";

const run = promisify(execFile);
const name = `package-${process.pid}`;
let host: LabHost;
let folder: string;

const onHost = async (line: string, user: LoginOptions["user"] = "root"): Promise<string> => {
  const { exitCode, stdout, stderr } = await runOnLabHost(host, line, { user });
  if (exitCode !== 0) throw new Error(`${line}: exit ${exitCode}\n${stdout}${stderr}`);
  return stdout;
};

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "hostkit-package-"));
  const { stdout } = await run("packaging/build-deb", [folder]);
  host = await upLabHost({ name });
  const command = [...sshArguments(host), "cat > /root/hostkit.deb"];
  await execa("ssh", command, { inputFile: stdout.trim() });
});
afterAll(async () => {
  await downLabHost(name);
  await rm(folder, { recursive: true, force: true });
});

test("the Debian package installs with apt, works for anybody, and goes without a trace", async () => {
  const before = await onHost("find /usr /etc /var/lib -path '*hostkit*' | sort");
  await onHost(
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/hostkit.deb >/dev/null",
  );
  const { version } = JSON.parse(await onHost("cat /usr/lib/hostkit/package.json")) as {
    version: string;
  };
  expect(await onHost("hostkit --version", "deploy")).toContain(version);

  // A new manifest is complete but for the address of the host.
  await onHost("hostkit init site", "deploy");
  expect(await onHost("hostkit check -f site/hostkit.yaml 2>&1", "deploy")).toContain(
    "site/hostkit.yaml",
  );
  // The stack that travels with the package has all its files; what they build is not there yet, and check says so.
  const stack = "hostkit init --stack dxcluster cluster && cd cluster && ! hostkit check 2>&1";
  expect(await onHost(stack, "deploy")).toContain("hostkit build");
  // Reading keys and speaking to a host needs no native add-on.
  const doctor = "cd cluster && hostkit doctor 2>&1 || true";
  expect(await onHost(doctor, "deploy")).not.toMatch(/Cannot find|ERR_MODULE/);

  const completion =
    "bash -c '. /usr/share/bash-completion/completions/hostkit && complete -p hostkit'";
  expect(await onHost(completion)).toContain("hostkit");
  expect(await onHost("zcat /usr/share/man/man1/hostkit.1.gz")).toContain(".SH VERBS");

  await onHost("apt-get purge -y -qq hostkit >/dev/null");
  expect(await onHost("find /usr /etc /var/lib -path '*hostkit*' | sort")).toBe(before);
});
