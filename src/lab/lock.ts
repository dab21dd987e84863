import { mkdir } from "node:fs/promises";
import path from "node:path";
import { execute } from "./programs.ts";

/**
 * Runs `work` while this process alone holds the lock file. The kernel holds the lock for a `flock` child that reads
 * our pipe, so it is free again whatever way this process ends.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const holder = execute(
    "flock",
    ["--exclusive", file, "sh", "-c", "echo held; exec cat >/dev/null"],
    {
      stdin: "pipe",
      buffer: false,
    },
  );
  try {
    await Promise.race([
      new Promise<void>((resolve) => holder.stdout.once("data", () => resolve())),
      holder.then(() => Promise.reject(new Error(`flock on ${file} ended early`))),
    ]);
    return await work();
  } finally {
    holder.stdin.end();
    await holder.catch(() => undefined);
  }
}
