import { createHash } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { explainFileError } from "./paths.ts";

/** A folder that has its name only once all of it is there. Folders 0700, files 0600. */
export interface ExportFolder {
  /** The name that it will have. */
  readonly path: string;
  /** Bytes that are free where it lies. */
  free(): Promise<number>;
  /** A new file in it, and its folders. */
  open(file: string): Promise<ExportFile>;
  write(file: string, text: string): Promise<void>;
  /** All is there: it takes its name. */
  finish(): Promise<void>;
  /** Takes away what there is of it. */
  abandon(): Promise<void>;
}

export interface ExportFile {
  /** Pending for as long as the disk is behind. @throws HostkitError disk_full, usage */
  write(chunk: Buffer): Promise<void> | undefined;
  /** What was written, once it is on the disk. @throws HostkitError disk_full, usage */
  close(): Promise<{ readonly bytes: number; readonly sha256: string }>;
}

/** @throws HostkitError usage where something has that name, or another export is or was going on there */
export async function makeExportFolder(folder: string): Promise<ExportFolder> {
  const part = `${folder}.partial`;
  if (existsSync(folder))
    throw new HostkitError("usage", {
      what: `${folder} is there already`,
      next: "choose another name: --to DIRECTORY",
    });
  await mkdir(path.dirname(folder), { recursive: true })
    .then(() => mkdir(part, { mode: 0o700 }))
    .catch((cause: unknown) => {
      throw explainNoFolder(part, cause);
    });
  const place = async (file: string): Promise<string> => {
    const at = path.join(part, file);
    await mkdir(path.dirname(at), { recursive: true, mode: 0o700 });
    return at;
  };
  return {
    path: folder,
    async free() {
      const { bavail, bsize } = await statfs(part);
      return bavail * bsize;
    },
    open: async (file) => openFile(await place(file), file),
    async write(file, text) {
      await writeFile(await place(file), text, { mode: 0o600, flag: "wx", flush: true });
    },
    finish: () => rename(part, folder),
    abandon: () => rm(part, { recursive: true, force: true }),
  };
}

function explainNoFolder(part: string, cause: unknown): HostkitError {
  const isThere = (cause as NodeJS.ErrnoException).code === "EEXIST";
  return new HostkitError(
    "usage",
    {
      what: `${part} cannot be made`,
      why: isThere ? "an export was cut short there, or still goes on" : explainFileError(cause),
      ...(isThere ? { next: `if none goes on: rm -r '${part}'` } : {}),
    },
    { cause },
  );
}

function openFile(at: string, name: string): ExportFile {
  const stream = createWriteStream(at, { mode: 0o600, flags: "wx", flush: true });
  const hash = createHash("sha256");
  let bytes = 0;
  let failure: HostkitError | undefined;
  const closed = new Promise<void>((resolve) => {
    stream.once("close", resolve);
  });
  stream.once("error", (cause) => {
    const isFull = (cause as NodeJS.ErrnoException).code === "ENOSPC";
    failure = new HostkitError(
      isFull ? "disk_full" : "usage",
      { what: `${name} cannot be written here`, where: at, why: explainFileError(cause) },
      { cause },
    );
  });
  return {
    write(chunk) {
      if (failure !== undefined) throw failure;
      bytes += chunk.length;
      hash.update(chunk);
      if (stream.write(chunk)) return undefined;
      return Promise.race([
        closed,
        new Promise<void>((resolve) => {
          stream.once("drain", resolve);
        }),
      ]);
    },
    async close() {
      stream.end();
      await closed;
      if (failure !== undefined) throw failure;
      return { bytes, sha256: hash.digest("hex") };
    },
  };
}
