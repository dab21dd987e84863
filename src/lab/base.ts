import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { execute } from "./programs.ts";
import { withLock } from "./lock.ts";
import { type MachineApt, readMachineApt } from "./machine-apt.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { type LabOs, labSystems } from "./systems.ts";
import { ensureLabTools, exists, lastLines } from "./tools.ts";

/** What a lab host has beyond Debian's essential packages: about as much as a bare cloud image, without Python. */
const hostPackages = [
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
const hostSetup = `set -eu
root=$1
chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash --groups sudo deploy
chroot "$root" useradd --create-home --uid 1001 --shell /bin/bash ops
echo deploy:deploy | chroot "$root" chpasswd
printf 'ops ALL=(ALL) NOPASSWD:ALL\\n' > "$root/etc/sudoers.d/90-ops"
chmod 0440 "$root/etc/sudoers.d/90-ops"
for home in root home/deploy home/ops; do mkdir -p -m 0700 "$root/$home/.ssh"; done
chroot "$root" chown deploy:deploy /home/deploy/.ssh
chroot "$root" chown ops:ops /home/ops/.ssh
# The slow key comes with the image; the keys that clients use are made for each host.
rm -f "$root"/etc/ssh/ssh_host_e*_key* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"
mkdir -p "$root/var/lib/dbus" && ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"
printf 'LANG=C.UTF-8\\n' > "$root/etc/default/locale"
for unit in systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Tells systemd that its caches fit this /usr, so that the first boot does not build them.
for stamp in etc var; do touch -r "$root/usr" "$root/$stamp/.updated"; done
`;

/** Everything that decides what an image holds: a changed recipe is another image. */
export interface Recipe {
  /** What the image is for: the first part of its file name. */
  readonly purpose: string;
  readonly codename: string;
  readonly variant: "minbase" | "essential";
  readonly packages: readonly string[];
  /** A shell program that gets the root folder as $1 when all packages are in. */
  readonly setup: string;
  readonly apt: MachineApt;
  /** dpkg options, for example `path-exclude=/usr/share/doc/*`. */
  readonly dpkg?: readonly string[];
}

export function imageName(recipe: Recipe): string {
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  return `${recipe.purpose}-${recipe.codename}-${hash}`;
}

export interface BaseOptions {
  /** More Debian packages in the image, for lab hosts that are tools themselves (an ACME server, an auditor). */
  readonly packages?: readonly string[];
  readonly log?: (line: string) => void;
  readonly paths?: LabPaths;
}

/** Builds (once per recipe) the root folder that lab hosts of this release are laid over; returns its path. */
export async function ensureBase(os: LabOs, options: BaseOptions = {}): Promise<string> {
  const { packages = [], log = () => undefined, paths = labPaths() } = options;
  const { codename } = labSystems[os];
  const recipe: Recipe = {
    purpose: "base",
    codename,
    variant: "minbase",
    packages: [...hostPackages, ...packages],
    setup: hostSetup,
    apt: await readMachineApt(codename),
  };
  return ensureImage(recipe, {
    paths,
    log,
    what: `the ${os} base image`,
    make: (target) => runMmdebstrap(recipe, target),
  });
}

interface Making {
  readonly paths: LabPaths;
  readonly log: (line: string) => void;
  readonly what: string;
  /** Added to the file name: `.tar.gz`. */
  readonly suffix?: string;
  readonly make: (target: string) => Promise<void>;
}

/** The cached result of a recipe; made under a lock and renamed into place, so nobody sees half of it. */
export async function ensureImage(recipe: Recipe, making: Making): Promise<string> {
  const { paths, log, what, suffix = "", make } = making;
  const target = path.join(paths.cache, `${imageName(recipe)}${suffix}`);
  if (await exists(target)) return target;
  await ensureLabTools({ log });
  return withLock(path.join(paths.cache, `${recipe.purpose}-${recipe.codename}.lock`), async () => {
    if (await exists(target)) return target;
    log(`building ${what} (once; takes about half a minute)`);
    const started = Date.now();
    const work = `${target}.new`;
    await rm(work, { recursive: true, force: true });
    try {
      await make(work);
      await rename(work, target);
    } catch (error) {
      throw new HostkitError(
        "lab_unavailable",
        { what: `could not build ${what}`, where: target, details: lastLines(error) },
        { cause: error },
      );
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    await pruneImages(paths, 7);
    log(`built ${target} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    return target;
  });
}

/** Makes a root folder, or a tar where `target` is to become one (`format`). */
export async function runMmdebstrap(
  recipe: Recipe,
  target: string,
  format: "directory" | "tar" = "directory",
): Promise<void> {
  const files = `${target}.recipe`;
  await mkdir(files, { recursive: true });
  try {
    await writeFile(path.join(files, "setup.sh"), recipe.setup);
    if (recipe.apt.sources !== undefined)
      await writeFile(path.join(files, "debian.sources"), recipe.apt.sources);
    await writeFile(
      path.join(files, "90proxy"),
      recipe.apt.options.map((option) => `${option}\n`).join(""),
    );
    const args = mmdebstrapArguments(recipe, { target, files, format });
    // Fixed time stamps: the same packages give the same bytes.
    await execute("mmdebstrap", args, {
      all: true,
      stdin: "ignore",
      env: { SOURCE_DATE_EPOCH: "1735689600" },
    });
  } finally {
    await rm(files, { recursive: true, force: true });
  }
}

interface MmdebstrapFiles {
  readonly target: string;
  readonly files: string;
  readonly format: "directory" | "tar";
}

/** mmdebstrap's arguments; the image gets the machine's mirrors and proxies, and nothing else of the machine. */
export function mmdebstrapArguments(
  recipe: Recipe,
  { target, files, format }: MmdebstrapFiles,
): string[] {
  const hasSources = recipe.apt.sources !== undefined;
  return [
    "--mode=root",
    `--variant=${recipe.variant}`,
    `--format=${format}`,
    `--include=${recipe.packages.join(",")}`,
    ...(recipe.apt.options.length > 0 ? [`--aptopt=${files}/90proxy`] : []),
    ...(recipe.dpkg ?? []).map((option) => `--dpkgopt=${option}`),
    ...(hasSources
      ? [
          `--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*`,
          `--customize-hook=copy-in ${files}/debian.sources /etc/apt/sources.list.d`,
        ]
      : []),
    `--customize-hook=sh ${files}/setup.sh "$1"`,
    recipe.codename,
    target,
    ...(hasSources ? [`${files}/debian.sources`] : []),
  ];
}

/**
 * Deletes cached images older than `days` that no host lies on. A host of any lab of this machine has a file in `uses/`
 * as long as it exists. Returns the names of what was deleted.
 */
export async function pruneImages(paths: LabPaths = labPaths(), days = 0): Promise<string[]> {
  const uses = await readdir(path.join(paths.cache, "uses")).catch(() => []);
  const deleted: string[] = [];
  for (const name of await readdir(paths.cache).catch(() => [])) {
    if (!/^[a-z-]+-[0-9a-f]{12}(\.|$)/.test(name) || uses.some((use) => use.startsWith(`${name}@`)))
      continue;
    const file = path.join(paths.cache, name);
    // The change time is when it was renamed into place; its own times are fixed by the recipe.
    const age = Date.now() - (await stat(file)).ctimeMs;
    if (age < days * 86_400_000) continue;
    await rm(file, { recursive: true, force: true });
    deleted.push(name);
  }
  return deleted;
}
