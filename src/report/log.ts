import { openSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Redactor } from "./redact.ts";

/** The log file of one command: JSON lines, readable by pino's tools. */
export interface Log {
  /** Absolute path. */
  readonly file: string;
  debug(message: string, data?: Readonly<Record<string, unknown>>): void;
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
}

export interface LogOptions {
  readonly file: string;
  readonly redactor: Redactor;
}

/** `~/.local/state/hostkit/log`, or under XDG_STATE_HOME. */
export function logDirectoryOf(environment: Readonly<Record<string, string | undefined>>): string {
  const state =
    environment["XDG_STATE_HOME"] || path.join(environment["HOME"] ?? "/", ".local/state");
  return path.join(state, "hostkit/log");
}

/** `2026-11-21T010203Z-provision.log`: sorts by time. */
export function logNameOf(verb: string, now: Date): string {
  return `${now.toISOString().replace(/:/g, "").replace(/\.\d+/, "")}-${verb}.log`;
}

/** A log that nobody keeps: where the disk does not take one. */
export const silentLog: Log = {
  file: "",
  debug: () => undefined,
  info: () => undefined,
  error: () => undefined,
};

/**
 * Opens the log. Each line goes through the redactor on its way to the disk.
 * @throws Error of node:fs where the file cannot be made
 */
export async function openLog({ file, redactor }: LogOptions): Promise<Log> {
  await mkdir(path.dirname(file), { recursive: true });
  // Opened here, because a destination that cannot open its file says so by an event that nobody can listen for in time.
  const fd = openSync(file, "a", 0o600);
  const { default: pino } = await import("pino");
  const disk = pino.destination({ fd, sync: true });
  const logger = pino(
    { level: "debug", base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void disk.write(redactor.hide(line)) },
  );
  return {
    file,
    debug: (message, data = {}) => logger.debug(data, message),
    info: (message, data = {}) => logger.info(data, message),
    error: (message, data = {}) => logger.error(data, message),
  };
}

/** Keeps the newest logs of a folder. */
export async function pruneLogs(folder: string, keep = 100): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const old = names
    .filter((name) => name.endsWith(".log"))
    .sort()
    .slice(0, -keep);
  await Promise.all(old.map((name) => rm(path.join(folder, name), { force: true })));
}
