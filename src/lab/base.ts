import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { HostkitError } from "../errors.ts";
import { type AptMirrors, findMirrors, renderSources } from "./apt-sources.ts";
import { withLock } from "./lock.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { ensureLabTools, exists, lastLines } from "./tools.ts";

export type LabOs = "debian-12" | "debian-13";

export const codenames: Record<LabOs, string> = { "debian-12": "bookworm", "debian-13": "trixie" };

/** What a lab host has beyond Debian's essential packages: about as much as a bare cloud image, without Python. */
const packages = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "udev",
  "libpam-systemd",
  "openssh-server",
  "sudo",
  "ca-certificates",
  "iproute2",
  "tzdata",
];

/** Runs in the fresh root ($1), outside of it. No package is added here: only what a cloud image's set-up leaves. */
const customize = `set -eu
root=$1
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash --groups sudo deploy
chroot "$root" useradd --create-home --uid 1001 --shell /bin/bash ops
echo deploy:deploy | chroot "$root" chpasswd
printf 'ops ALL=(ALL) NOPASSWD:ALL\\n' > "$root/etc/sudoers.d/90-ops"
chmod 0440 "$root/etc/sudoers.d/90-ops"
for home in root home/deploy home/ops; do mkdir -p -m 0700 "$root/$home/.ssh"; done
chroot "$root" chown deploy:deploy /home/deploy/.ssh
chroot "$root" chown ops:ops /home/ops/.ssh
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"
mkdir -p "$root/var/lib/dbus" && ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"
printf 'LANG=C.UTF-8\\n' > "$root/etc/default/locale"
for unit in systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
`;

export interface Recipe {
  readonly codename: string;
  readonly packages: readonly string[];
  readonly customize: string;
  /** undefined: mmdebstrap's own choice. */
  readonly sources: string | undefined;
  readonly aptOptions: readonly string[];
}

/** The folder name of a recipe's result: a changed recipe is another base. */
export function baseName(recipe: Recipe): string {
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  return `base-${recipe.codename}-${hash}`;
}

/** Builds (once per recipe) the root folder every lab host of this release is laid over; returns its path. */
export async function ensureBase(
  os: LabOs,
  log: (line: string) => void = () => undefined,
  paths: LabPaths = labPaths(),
): Promise<string> {
  await ensureLabTools({ log });
  const recipe: Recipe = {
    codename: codenames[os],
    packages,
    customize,
    sources: await machineSources(codenames[os]),
    aptOptions: await machineProxies(),
  };
  const name = baseName(recipe);
  const target = path.join(paths.cache, name);
  if (await exists(target)) return target;
  return withLock(path.join(paths.cache, `${recipe.codename}.lock`), async () => {
    if (await exists(target)) return target;
    log(`building the ${os} base image (once; takes about half a minute)`);
    const started = Date.now();
    await build(recipe, target);
    log(`built ${target} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    await removeStaleBases(paths, recipe.codename, name);
    return target;
  });
}

/** mmdebstrap's arguments for a recipe: a folder at `target`, made by root, with nothing of the machine in it. */
export function mmdebstrapArguments(recipe: Recipe, target: string, files: string): string[] {
  return [
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    `--include=${recipe.packages.join(",")}`,
    ...recipe.aptOptions.map((option) => `--aptopt=${option}`),
    `--customize-hook=sh ${files}/customize.sh "$1"`,
    ...(recipe.sources === undefined
      ? []
      : [
          `--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*`,
          `--customize-hook=copy-in ${files}/debian.sources /etc/apt/sources.list.d`,
        ]),
    recipe.codename,
    target,
    ...(recipe.sources === undefined ? [] : [`${files}/debian.sources`]),
  ];
}

async function build(recipe: Recipe, target: string): Promise<void> {
  const work = `${target}.new`;
  const files = `${target}.recipe`;
  await rm(work, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  try {
    await writeFile(path.join(files, "customize.sh"), recipe.customize);
    if (recipe.sources !== undefined) await writeFile(path.join(files, "debian.sources"), recipe.sources);
    await execa("mmdebstrap", mmdebstrapArguments(recipe, work, files), { all: true, stdin: "ignore" });
    await rename(work, target);
  } catch (error) {
    throw new HostkitError(
      "lab_unavailable",
      { what: `could not build the ${recipe.codename} base image`, where: target, details: lastLines(error) },
      { cause: error },
    );
  } finally {
    await rm(files, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
  }
}

/** A base that a host of any lab still lies on must stay: `uses/` has one file for each of them. */
async function removeStaleBases(paths: LabPaths, codename: string, keep: string): Promise<void> {
  const uses = await readdir(path.join(paths.cache, "uses")).catch(() => []);
  for (const name of await readdir(paths.cache)) {
    if (!name.startsWith(`base-${codename}-`) || name === keep) continue;
    if (uses.some((use) => use.startsWith(`${name}@`))) continue;
    await rm(path.join(paths.cache, name), { recursive: true, force: true });
  }
}

async function machineSources(codename: string): Promise<string | undefined> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const own = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  if (own === undefined) return undefined;
  const folder = "/etc/apt/sources.list.d";
  const listed = (await readdir(folder).catch(() => [])).filter((name) => /\.(list|sources)$/.test(name)).sort();
  const files = ["/etc/apt/sources.list", ...listed.map((name) => path.join(folder, name))];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  const mirrors: AptMirrors | undefined = findMirrors(texts, own);
  return mirrors === undefined ? undefined : renderSources(mirrors, codename);
}

async function machineProxies(): Promise<string[]> {
  const keys = ["Acquire::http::Proxy", "Acquire::https::Proxy"];
  const { stdout } = await execa("apt-config", ["dump", "--format", "%F=%v%n", ...keys], { reject: false });
  return (stdout ?? "")
    .split("\n")
    .map((line) => /^(Acquire::https?::Proxy)=(\S+)$/.exec(line))
    .flatMap((found) => (found === null ? [] : [`${found[1]} "${found[2]}"`]));
}

/** Bytes and time of the bases in the cache, for `lab list` and the docs. */
export async function listBases(paths: LabPaths = labPaths()): Promise<{ name: string; builtAt: Date }[]> {
  const names = await readdir(paths.cache).catch(() => []);
  const bases = names.filter((name) => /^base-[a-z]+-[0-9a-f]{12}$/.test(name));
  return Promise.all(
    bases.map(async (name) => ({ name, builtAt: (await stat(path.join(paths.cache, name))).mtime })),
  );
}
