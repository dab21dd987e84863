// Lab hosts for the tries: bare, or laid over the disk of one that was provisioned before.
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { downLabHost, powerOffLabHost, powerOnLabHost, upLabHost } from "../../dist/lab/host.js";
import { runOnLabHost } from "../../dist/lab/login.js";
import { supervisorRuns, waitUntil } from "../../dist/lab/power.js";

const run = promisify(execFile);

/** @param frozen a folder of `freeze` */
export async function up(name, os, paths, frozen) {
  await downLabHost(name, paths);
  const host = await upLabHost({ name, os, install: true, paths });
  if (frozen === undefined) return host;
  await powerOffLabHost(name, paths);
  const base = `${path.join(frozen, "upper")}:${host.base}`;
  await writeFile(path.join(host.folder, "host.json"), JSON.stringify({ ...host, base }, null, 2));
  await rm(path.join(host.folder, "volumes"), { recursive: true });
  await run("cp", ["-a", path.join(frozen, "volumes"), host.folder]);
  return powerOnLabHost(name, paths);
}

/** Shuts a host down and keeps its disk in a folder; the host is gone then. */
export async function freeze(host, folder, paths) {
  await runOnLabHost(host, "systemctl poweroff");
  await waitUntil(`${host.name} is off`, async () => !(await supervisorRuns(paths, host.name)), 90);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const part of ["upper", "volumes"]) await run("mv", [path.join(host.folder, part), folder]);
  await downLabHost(host.name, paths);
}

/** The output of a shell line on a host. */
export async function shell(host, line) {
  let result;
  // 255 is the client's own: a host that has just booted on a busy machine can be slow to answer.
  for (let attempt = 0; attempt < 8 && (result?.exitCode ?? 255) === 255; attempt += 1)
    result = await runOnLabHost(host, line);
  if (result.exitCode === 0) return result.stdout;
  throw new Error(
    `${line.slice(0, 200)}\nended with ${result.exitCode}:\n${result.stdout.slice(-500)}\n${result.stderr.slice(-1500)}`,
  );
}
