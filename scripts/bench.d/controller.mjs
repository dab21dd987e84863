// The machine that the peers run on: a Debian 13 root (cached beside the lab's base images) in a mount and PID namespace.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { ensureImage, runMmdebstrap } from "../../dist/lab/base.js";
import { readMachineApt } from "../../dist/lab/machine-apt.js";
import { run } from "./measure.mjs";

/** Builds the root once: the peers, and a compiler for the wire. */
export async function ensureController(paths, log) {
  const recipe = {
    purpose: "bench-controller",
    codename: "trixie",
    variant: "minbase",
    packages: [
      "ansible",
      "ansible-mitogen",
      "bundlewrap",
      "openssh-client",
      "busybox-static",
      "gcc",
      "libc6-dev",
    ],
    setup: "true\n",
    apt: await readMachineApt("trixie"),
    dpkg: ["doc", "man", "info", "locale"].map((part) => `path-exclude=/usr/share/${part}/*`),
  };
  return ensureImage(recipe, {
    paths,
    log,
    what: "the peers' controller",
    make: (target) => runMmdebstrap(recipe, target),
  });
}

// Nothing of the machine is written to: an overlay takes what the peers write; all is gone with the holder.
const enter = `set -e
mount --make-rprivate /
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,volatile" bench "$2/root"
mount -t proc proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
mount -t tmpfs tmpfs "$2/root/tmp"
mount -t tmpfs tmpfs "$2/root/run"
mkdir "$2/root/bench"
mount --bind "$3" "$2/root/bench"
cp /etc/hosts "$2/root/etc/hosts"
echo entered
exec cat
`;

/**
 * Starts the controller; `shared` is its /bench.
 * @returns exec(words, options) as `run`, under the controller's root; stop()
 */
export async function startController({ root, folder, shared }) {
  await rm(folder, { recursive: true, force: true });
  for (const part of ["upper", "work", "root"])
    await mkdir(path.join(folder, part), { recursive: true });
  const words = [
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "sh",
    "-c",
    enter,
    "sh",
    root,
    folder,
    shared,
  ];
  const holder = spawn("setpriv", words, { stdio: ["pipe", "pipe", "inherit"] });
  const [first] = await Promise.race([once(holder.stdout, "data"), once(holder, "exit")]);
  if (String(first).trim() !== "entered") throw new Error("the peers' controller did not start");
  const inner = (await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8")).trim();
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    LANG: "C.UTF-8",
    TERM: "dumb",
  };
  const exec = (command, { env: more = {}, cwd = "/bench", ...options } = {}) => {
    const assignments = Object.entries({ ...env, ...more }).map(
      ([key, value]) => `${key}=${value}`,
    );
    const inside = ["env", "-i", "-C", cwd, ...assignments, ...command];
    return run(
      ["nsenter", "-t", inner, "-m", "-p", "chroot", path.join(folder, "root"), ...inside],
      options,
    );
  };
  return {
    exec,
    stop: async () => {
      const ended = once(holder, "exit");
      holder.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** busybox and the compiled wire, for the machine itself: both are static. */
export async function takePrograms(controller, shared) {
  await cp(new URL("wire.c", import.meta.url), path.join(shared, "wire.c"));
  await controller.exec([
    "gcc",
    "-O2",
    "-static",
    "-pthread",
    "-o",
    "/bench/wire",
    "/bench/wire.c",
  ]);
  await controller.exec(["cp", "/bin/busybox", "/bench/busybox"]);
  return { wire: path.join(shared, "wire"), busybox: path.join(shared, "busybox") };
}
