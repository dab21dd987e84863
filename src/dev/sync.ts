import { HostkitError } from "../errors.ts";
import type { Connection, ExecResult } from "../ssh/connection.ts";
import { listMounted } from "../local/sources.ts";
import type { ServiceSource } from "../local/sources.ts";
import { openTree } from "../local/tree.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { findService } from "../manifest/services.ts";
import { devFolderOf } from "./mounts.ts";
import {
  changeScript,
  endings,
  putBackScript,
  settleScript,
  stageScript,
  startAgainScript,
} from "./scripts.ts";
import type { Place } from "./scripts.ts";

/** Files of one service that are others than on the host. */
export interface FileChanges {
  readonly source: ServiceSource;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Brings all that is mounted, service by service.
 * @returns the services that have to be started again to see it
 */
export async function stageSources(
  connection: Connection,
  stack: string,
  sources: readonly ServiceSource[],
): Promise<ServiceSource[]> {
  const staged = await Promise.all(
    sources
      .filter(({ mounts }) => mounts.length > 0)
      .map(async (source) => {
        const result = await connection.exec(stageScript(devFolderOf(stack), source.service).text, {
          stdin: openTree(source.blob.path, listMounted(source)),
        });
        if (result.code !== 0) throw explainSending(connection, source, result);
        return result.stdout.trim() === "new" ? [source] : [];
      }),
  );
  return staged.flat();
}

export async function putBackSources(
  connection: Connection,
  stack: string,
  sources: readonly ServiceSource[],
): Promise<void> {
  if (sources.length === 0) return;
  await connection.exec(putBackScript(devFolderOf(stack), sources.map(nameOf)).text);
}

export async function settleSources(
  connection: Connection,
  stack: string,
  sources: readonly ServiceSource[],
): Promise<void> {
  if (sources.length === 0) return;
  await connection.exec(settleScript(devFolderOf(stack), sources.map(nameOf)).text);
}

/**
 * Starts a service again with what was staged; returns once its health check passes.
 * @throws HostkitError run_failed with its last lines where it does not come up
 */
export async function startAgain(
  connection: Connection,
  manifest: Manifest,
  source: ServiceSource,
  place: Place,
): Promise<void> {
  const folder = devFolderOf(manifest.stack);
  const grace = graceOf(manifest, source.service);
  const result = await connection.exec(
    startAgainScript(folder, source.service, place.units, grace).text,
  );
  if (result.code !== 0) throw explainStart(connection, source, result);
}

/**
 * Sends files of one service and starts it again, in one round trip; returns once its health check passes.
 * @returns false, with nothing done, where what runs is no release of this session
 * @throws HostkitError run_failed with its last lines where it does not come up
 */
export async function sendChanges(
  connection: Connection,
  manifest: Manifest,
  { source, changed, removed }: FileChanges,
  place: Place,
): Promise<boolean> {
  const folder = devFolderOf(manifest.stack);
  const grace = graceOf(manifest, source.service);
  const result = await connection.exec(
    changeScript(folder, source.service, removed, place, grace).text,
    { stdin: openTree(source.blob.path, changed) },
  );
  if (result.code === endings.moved) return false;
  if (result.code !== 0) throw explainStart(connection, source, result);
  return true;
}

function nameOf({ service }: ServiceSource): string {
  return service;
}

function graceOf(manifest: Manifest, name: string): number {
  const service = findService(manifest, name);
  return service?.section === "web" ? service.health.graceSeconds : 60;
}

function explainSending(
  connection: Connection,
  { service }: ServiceSource,
  { stderr }: ExecResult,
): HostkitError {
  return new HostkitError("run_failed", {
    what: `the files of ${service} could not be sent`,
    where: connection.description,
    details: linesOf(stderr),
    next: "hostkit doctor",
  });
}

function explainStart(
  connection: Connection,
  source: ServiceSource,
  result: ExecResult,
): HostkitError {
  const { service } = source;
  const known = result.code === endings.putBack || result.code === endings.down;
  if (!known) return explainSending(connection, source, result);
  const serves = result.code === endings.putBack;
  return new HostkitError("run_failed", {
    what: `${service} does not come up with these files`,
    where: connection.description,
    why: serves
      ? "what it had before is back, and serves"
      : "it does not come up with what it had before either",
    details: linesOf(result.stderr),
    next: serves
      ? "mend it and save; the next change is sent at once"
      : `hostkit logs ${service}; what it needs (a database, a secret) may be away`,
  });
}

/** Docker complains at each start on hosts whose kernel has no limits, as lab hosts are. */
export function isDockerNoise(line: string): boolean {
  return line.startsWith("WARNING: Your kernel does not support ");
}

function linesOf(text: string): string[] {
  const lines = text.trim().split("\n");
  return lines.filter((line) => line !== "" && !isDockerNoise(line)).slice(-20);
}
