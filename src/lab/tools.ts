import { access } from "node:fs/promises";
import { constants } from "node:fs";
import { HostkitError } from "../errors.ts";
import { execute } from "./programs.ts";

/** What the lab needs: the file that must exist, and the Debian package that brings it. */
const needs: readonly { readonly name: string; readonly package: string }[] = [
  { name: "mmdebstrap", package: "mmdebstrap" },
  { name: "systemd-nspawn", package: "systemd-container" },
  { name: "nft", package: "nftables" },
  { name: "ip", package: "iproute2" },
  { name: "ssh", package: "openssh-client" },
  { name: "ssh-keygen", package: "openssh-client" },
  { name: "flock", package: "util-linux" },
  { name: "unshare", package: "util-linux" },
  { name: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
];

/** Debian's order; sbin is often missing from a user's PATH, and these are all system tools. */
const folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The Debian packages that are still missing on this machine. */
export async function missingLabPackages(): Promise<string[]> {
  const missing = new Set<string>();
  for (const need of needs) {
    const candidates = need.name.startsWith("/")
      ? [need.name]
      : folders.map((folder) => `${folder}/${need.name}`);
    const found = await Promise.all(candidates.map((file) => exists(file)));
    if (!found.includes(true)) missing.add(need.package);
  }
  return [...missing];
}

/**
 * Makes sure that this machine can run lab hosts: Linux, root, a cgroup v2 tree and Debian's tools.
 * With `install`, missing packages are installed by apt. Fails with `lab_unavailable` and says what is missing.
 */
export async function ensureLabTools(
  options: { install?: boolean; log?: (line: string) => void } = {},
): Promise<void> {
  await assertCanRunLab();
  const missing = await missingLabPackages();
  if (missing.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (options.install !== true) {
    throw new HostkitError("lab_unavailable", {
      what: `missing for lab hosts: ${missing.join(", ")}`,
      next: line,
    });
  }
  options.log?.(`installing ${missing.join(", ")}`);
  try {
    await installPackages(missing);
  } catch (error) {
    throw new HostkitError(
      "lab_unavailable",
      { what: `could not install ${missing.join(", ")}`, next: line, details: lastLines(error) },
      { cause: error },
    );
  }
}

/** What no package brings: Linux, root and a cgroup v2 tree. */
async function assertCanRunLab(): Promise<void> {
  if (process.platform !== "linux") {
    throw new HostkitError("lab_unavailable", {
      what: `lab hosts need Linux, this is ${process.platform}`,
      why: "a lab host is a Debian system in Linux namespaces",
      next: "run the lab on a machine with Debian",
    });
  }
  if (process.geteuid?.() !== 0) {
    throw new HostkitError("lab_unavailable", {
      what: "lab hosts need root",
      why: "they use mounts, network namespaces and firewall rules of this machine",
      next: "run the same command with sudo",
    });
  }
  if ((await unifiedCgroup()) === undefined) {
    throw new HostkitError("lab_unavailable", {
      what: "lab hosts need the cgroup v2 tree",
      why: "neither /sys/fs/cgroup nor /sys/fs/cgroup/unified is one",
      next: "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
    });
  }
}

async function installPackages(packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const lock = ["-o", "DPkg::Lock::Timeout=600"];
  await execute("apt-get", [...lock, "update"], { env, all: true });
  await execute("apt-get", [...lock, "install", "-y", "--no-install-recommends", ...packages], {
    env,
    all: true,
  });
}

/** The mount point of the cgroup v2 tree, if there is one. */
export async function unifiedCgroup(): Promise<string | undefined> {
  for (const folder of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
    if (
      (await exists(`${folder}/cgroup.procs`)) &&
      (await exists(`${folder}/cgroup.subtree_control`))
    )
      return folder;
  }
  return undefined;
}

export async function exists(file: string): Promise<boolean> {
  return access(file, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/** The end of what a failed command printed, for an error's details. */
export function lastLines(error: unknown, count = 15): string[] {
  const output = error as { all?: unknown; stderr?: unknown; message?: unknown };
  const text = [output.all, output.stderr, output.message].find(
    (part) => typeof part === "string" && part !== "",
  );
  return String(text ?? error)
    .trimEnd()
    .split("\n")
    .slice(-count);
}
