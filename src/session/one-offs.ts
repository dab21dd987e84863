import { exitCodes, HostkitError } from "../errors.ts";
import { followOneOff, stopOneOff } from "../host/one-off.ts";
import { listOneOffs } from "../host/one-off-records.ts";
import type { OneOffSummary } from "../host/one-off-records.ts";
import type { Context } from "./context.ts";
import { onEachHost } from "./project.ts";
import type { HostAccess, Project } from "./project.ts";
import { passTo } from "./terminal.ts";

/** A command and the host that remembers it. */
export interface FoundOneOff {
  readonly host: HostAccess;
  readonly command: OneOffSummary;
}

/** The command with this id; undefined where there is none, and for a word that is no id. */
export async function findOneOff(project: Project, id: string): Promise<FoundOneOff | undefined> {
  if (!/^\d{8}T\d{6}Z-[0-9a-f]+$/.test(id)) return undefined;
  const { manifest, stackDirectory, hosts } = project;
  const found = await onEachHost(hosts, async (connection, host) => ({
    host,
    commands: await listOneOffs(connection, manifest.stack, stackDirectory),
  }));
  return found
    .flatMap(({ host, commands }) => commands.map((command) => ({ host, command })))
    .find(({ command }) => command.id === id);
}

/**
 * Shows what a detached command prints, to its end. Ctrl-C leaves it.
 * @returns its status
 */
export async function attachToOneOff(
  context: Context,
  project: Project,
  { host, command }: FoundOneOff,
): Promise<number> {
  const { id } = command;
  if (!command.detached)
    throw new HostkitError("usage", {
      what: `${id} is joined to the connection of ${command.by}`,
      where: host.name,
      why: "what such a command prints goes there and is kept nowhere",
      next: "hostkit runs   says how it ended",
    });
  const leave = new AbortController();
  const unlisten = context.terminal.onInterrupt(() => leave.abort());
  const connection = await host.connect();
  try {
    const { stack } = project.manifest;
    const { stackDirectory } = project;
    await followOneOff(
      connection,
      { stack, stackDirectory, id },
      { onStdout: passTo(context.terminal.stdout), signal: leave.signal },
    );
    const commands = await listOneOffs(connection, stack, stackDirectory);
    const ended = commands.find((one) => one.id === id);
    if (ended?.code !== undefined) return ended.code;
    throw new HostkitError("run_failed", {
      what: `${id} ended, and nobody knows how`,
      where: host.name,
      why: "its host went down under it",
      next: "hostkit status",
    });
  } catch (error) {
    if (leave.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    unlisten();
    await connection.close();
  }
}

/** Ends a command that goes on, with all that it has started. */
export async function endOneOff(
  context: Context,
  { manifest: { stack }, stackDirectory, log }: Project,
  { host, command: { id } }: FoundOneOff,
): Promise<number> {
  log.info("one-off command is ended", { host: host.name, id });
  const [wasRunning] = await onEachHost([host], (connection) =>
    stopOneOff(connection, { stack, stackDirectory, id }),
  );
  if (context.options.json === true)
    context.print(JSON.stringify({ action: "stop", host: host.name, id, wasRunning }));
  else
    context.print(
      `${context.colors.green("✓")} ${host.name}: ${id} ${wasRunning === true ? "was ended" : "had ended before"}`,
    );
  return exitCodes.ok;
}
