import { existsSync, rmSync } from "node:fs";
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import path from "node:path";

const prefix = "hostkit-build-";
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A folder for secrets, in memory where there is such a folder, as long as `work` goes on: it goes with it, however that ends. What
 * a process left that was killed without a word goes with the next one.
 * @param otherwise a folder of the caller's on the disk
 */
export async function withHiddenFolder<T>(
  otherwise: string,
  work: (folder: string) => Promise<T>,
  memory = "/dev/shm",
): Promise<T> {
  const parent = existsSync(memory) ? memory : otherwise;
  await sweep(parent);
  const folder = await mkdtemp(path.join(parent, `${prefix}${process.pid}-`));
  const leave = (signal: NodeJS.Signals): void => {
    rmSync(folder, { recursive: true, force: true });
    process.kill(process.pid, signal);
  };
  for (const signal of signals) process.once(signal, leave);
  try {
    return await work(folder);
  } finally {
    for (const signal of signals) process.off(signal, leave);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Our own folders of processes that are no more. Another user may have made one of such a name, to lead root elsewhere: it stays. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    const folder = path.join(parent, name);
    const uid = await lstat(folder).then(
      (facts) => facts.uid,
      () => undefined,
    );
    if (uid === process.getuid?.()) await rm(folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
