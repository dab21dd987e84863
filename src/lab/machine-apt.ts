import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { findMirrors, renderSources } from "./apt-sources.ts";
import { execute } from "./programs.ts";

/** How apt reaches Debian on this machine; images made here use the same way. */
export interface MachineApt {
  /** deb822 text; undefined: this machine is no Debian with plain mirrors, mmdebstrap chooses. */
  readonly sources: string | undefined;
  /** apt options, one a line as in apt.conf: the proxies. */
  readonly options: readonly string[];
}

export async function readMachineApt(codename: string): Promise<MachineApt> {
  return { sources: await readSources(codename), options: await readProxies() };
}

async function readSources(codename: string): Promise<string | undefined> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const own = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  if (own === undefined) return undefined;
  const folder = "/etc/apt/sources.list.d";
  const listed = (await readdir(folder).catch(() => []))
    .filter((name) => /\.(list|sources)$/.test(name))
    .sort();
  const files = ["/etc/apt/sources.list", ...listed.map((name) => path.join(folder, name))];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  const mirrors = findMirrors(texts, own);
  return mirrors === undefined ? undefined : renderSources(mirrors, codename);
}

async function readProxies(): Promise<string[]> {
  const keys = ["Acquire::http::Proxy", "Acquire::https::Proxy"];
  const { stdout } = await execute("apt-config", ["dump", "--format", "%F=%v%n", ...keys], {
    reject: false,
  });
  return (stdout ?? "")
    .split("\n")
    .map((line) => /^(Acquire::https?::Proxy)=(\S+)$/.exec(line))
    .flatMap((found) => (found === null ? [] : [`${found[1]} "${found[2]}";`]));
}
