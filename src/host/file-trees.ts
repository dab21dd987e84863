import { HostkitError } from "../errors.ts";
import { findFormat, readFoundEntry, readSnapshotEntry } from "../facts/backups/file-entries.ts";
import type { FileEntry } from "../facts/backups/file-entries.ts";
import type { FileTree } from "../plan/restore/file-difference.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";
import { backupPlaces } from "../stack/backups/jobs.ts";

/** More is counted, and not held. */
const maxHeld = 300_000;
const maxCounted = 50_000_000;
const maxEntryBytes = 64 * 1024;
const timeoutMs = 30 * 60_000;

/** Where a snapshot lies. */
export interface SnapshotPlace {
  readonly stack: string;
  readonly repository: string;
  readonly snapshot: string;
}

/**
 * What a snapshot has at and below a path; nothing where it has not.
 * @throws HostkitError run_failed where restic cannot say
 */
export async function readSnapshotTree(
  connection: Connection,
  { stack, repository, snapshot }: SnapshotPlace,
  path: string,
): Promise<FileTree> {
  const script = sh`exec ${backupPlaces(stack).script("files")} restic ${repository} ls --no-lock --json --recursive ${snapshot} ${path}`;
  const counter = new Counter(path, "\n", readSnapshotEntry);
  const { code, stderr } = await counter.count(connection, script);
  // Newer ones say so of a path that is not there.
  if (code === 0 || counter.isEmpty) {
    if (code !== 0 && !/not found|no such/i.test(stderr)) throw explain(connection, path, stderr);
    return counter.tree;
  }
  throw explain(connection, path, stderr);
}

/** What a host has at and below a path; no link is followed. */
export async function readHostTree(connection: Connection, path: string): Promise<FileTree> {
  const counter = new Counter(path, "\0", readFoundEntry);
  await counter.count(connection, sh`exec find ${path} -printf ${findFormat}`);
  return counter.tree;
}

function explain(connection: Connection, path: string, stderr: string): HostkitError {
  return new HostkitError("run_failed", {
    what: `restic cannot list ${path}`,
    where: connection.description,
    details: stderr.trim().split("\n").slice(-10),
    next: "hostkit backup list",
  });
}

/** Reads entries as they come. */
class Counter {
  readonly #root: string;
  readonly #separator: string;
  readonly #read: (text: string) => readonly [string, FileEntry] | undefined;
  #decoder = new TextDecoder();
  #rest = "";
  #entries = new Map<string, FileEntry>();
  #count = 0;
  #bytes = 0;

  constructor(
    root: string,
    separator: string,
    read: (text: string) => readonly [string, FileEntry] | undefined,
  ) {
    this.#root = root;
    this.#separator = separator;
    this.#read = read;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get tree(): FileTree {
    return {
      ...(this.#count > maxHeld ? {} : { entries: this.#entries }),
      count: this.#count,
      bytes: this.#bytes,
    };
  }

  async count(connection: Connection, script: Script) {
    const result = await connection.exec(script.text, {
      onStdout: this.#take,
      timeoutMs,
      onRepeat: () => this.#forget(),
    });
    this.#add(this.#rest);
    return result;
  }

  #forget(): void {
    this.#decoder = new TextDecoder();
    this.#rest = "";
    this.#entries = new Map();
    this.#count = 0;
    this.#bytes = 0;
  }

  readonly #take = (chunk: Buffer): void => {
    const texts = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split(
      this.#separator,
    );
    this.#rest = texts.pop() ?? "";
    for (const text of texts) this.#add(text);
    if (this.#rest.length <= maxEntryBytes && this.#count <= maxCounted) return;
    throw new HostkitError("run_failed", {
      what: `what the host lists of ${this.#root} has no end`,
      why: `an entry has more than ${maxEntryBytes / 1024} KiB, or there are more than ${maxCounted} of them`,
      next: "restore a part of it",
    });
  };

  #add(text: string): void {
    const entry = this.#read(text);
    if (entry === undefined || !isAtOrBelow(entry[0], this.#root)) return;
    this.#count += 1;
    this.#bytes += entry[1].size;
    if (this.#count <= maxHeld) this.#entries.set(entry[0].slice(this.#root.length), entry[1]);
    else this.#entries.clear();
  }
}

function isAtOrBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
