import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** What hosts were last time, by a name of the caller's choice. Only a guess that saves a round trip; losing it costs nothing. */
export async function readHostCache<T>(
  environment: Environment,
  key: string,
): Promise<T | undefined> {
  try {
    const all = JSON.parse(await readFile(fileOf(environment), "utf8")) as Record<string, T>;
    return all[key];
  } catch {
    return undefined;
  }
}

export async function writeHostCache(
  environment: Environment,
  key: string,
  value: unknown,
): Promise<void> {
  try {
    const file = fileOf(environment);
    const text = await readFile(file, "utf8").catch(() => "{}");
    const all = { ...(JSON.parse(text) as Record<string, unknown>), [key]: value };
    const next = JSON.stringify(Object.fromEntries(Object.entries(all).slice(-500)));
    if (next === text) return;
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.${process.pid}`, next, { mode: 0o600 });
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // A home that cannot be written only makes the next command a little slower.
  }
}

function fileOf(environment: Environment): string {
  const cache = environment["XDG_CACHE_HOME"] || path.join(environment["HOME"] ?? "/", ".cache");
  return path.join(cache, "hostkit/hosts.json");
}
