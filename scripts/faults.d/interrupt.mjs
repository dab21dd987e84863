// How a run is interrupted, once it is where the try wants it.
import { powerOffLabHost, powerOnLabHost, setCable } from "../../dist/lab/host.js";
import { runOnLabHost } from "../../dist/lab/login.js";
import { shell } from "./hosts.mjs";

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Done on the host, at once: what it takes to say so to this machine would be too long. */
const onHost = {
  runner: 'kill -KILL "$(cat "$run/pid")"',
  disk: "fill",
  sshd: `systemd-run --quiet --on-active=20 systemctl start ssh.service
systemctl stop ssh.socket ssh.service 2>/dev/null
echo reached
for p in $(ps -e -o pid=,comm= | awk '$2 ~ /^sshd/ {print $1}'); do [ "$p" = $$ ] || kill -KILL "$p"; done`,
};

/** Waits on the host until the run that begins now is where the try wants it, then does what is to be done there. */
function watchScript({ at, fault, afterSeconds }) {
  const events = {
    ok: '"event":"change","change":$n,"state":"ok"',
    confirm: '"event":"confirm","change":$n',
  };
  const event = events[at.step] ?? `"event":"step","change":$n,"step":${at.step},"state":"started"`;
  return `cd /
fill() { for m in /var /var/lib/hostkit; do
  if [ "$(findmnt -n -o FSTYPE "$m")" = tmpfs ]; then mount -o "remount,size=$(df -k --output=used "$m" | tail -n 1)k" "$m"; fi; done; }
before=$(ls /var/lib/hostkit/shop/runs 2>/dev/null | tail -n 1)
while :; do
  run=$(ls -d /var/lib/hostkit/shop/runs/*/ 2>/dev/null | tail -n 1)
  if [ -n "$run" ] && [ "$(basename "$run")" != "$before" ] && [ -s "$run/changes" ] && [ -e "$run/pid" ]; then break; fi
  sleep 0.02
done
n=$(awk -v id='${at.id}' '/"id":/ {n++; if (index($0, id)) {print n; exit}}' "$run/plan.json")
[ -n "$n" ] || { echo "the plan has no ${at.id}"; exit 1; }
until grep -q "${event.replaceAll('"', '\\"')}" "$run/events" 2>/dev/null; do
  if grep -q '"event":"end"' "$run/events" 2>/dev/null; then echo "the run ended without coming there"; exit 1; fi
  sleep 0.01
done
${afterSeconds > 0 ? `sleep ${afterSeconds}` : ":"}
${onHost[fault] ?? ":"}
echo reached`;
}

const moveToMemory = (folder, keep) => `set -e
mkdir -p ${folder} /mnt/was /mnt/new
mount -t tmpfs -o size=4G tmpfs /mnt/new
${keep.map((name) => `mkdir -p /mnt/keep/${name}; mount --bind ${folder}/lib/${name} /mnt/keep/${name}`).join("\n")}
cp -a -x ${folder}/. /mnt/new/
# Not --move: systemd shares its mounts.
mount --bind /mnt/new ${folder}
umount /mnt/new
${keep.map((name) => `mkdir -p ${folder}/lib/${name}; mount --bind /mnt/keep/${name} ${folder}/lib/${name}`).join("\n")}`;

/** Nobody can fill the disk of the machine underneath; what can be filled is a file system in memory. */
export async function prepare({ scenario, fault }, host) {
  if (fault === "disk")
    await shell(
      host,
      scenario === "cold"
        ? moveToMemory("/var", ["docker", "containerd"])
        : moveToMemory("/var/lib/hostkit", []),
    );
  if (fault === "apt")
    await shell(
      host,
      `systemd-run --quiet perl -MFcntl -e 'open(F, ">>", "/var/lib/dpkg/lock-frontend"); my $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; sleep 20'`,
    );
}

/**
 * @param first the command that is going on: a child process with `ended`, a promise of its exit code
 * @returns what went wrong with the interruption itself; undefined: it was interrupted
 */
export async function interrupt(attempt, host, first, paths) {
  const { fault } = attempt;
  if (fault === "apt") return void (await first.ended);
  const watched = await Promise.race([
    runOnLabHost(host, watchScript(attempt)),
    first.ended.then(async () => {
      await pause(3);
      return { stdout: "the command ended before" };
    }),
  ]);
  const isReached =
    watched.stdout.includes("reached") || (fault === "sshd" && watched.exitCode !== 0);
  if (!isReached) {
    await first.ended;
    return watched.stdout.trim().split("\n").at(-1);
  }
  if (fault === "controller") {
    first.child.kill("SIGKILL");
    await first.ended;
    for (let tries = 0; tries < 300; tries += 1) {
      if (
        (await shell(host, "systemctl list-units --plain --no-legend 'hostkit-run-*'")).trim() ===
        ""
      )
        break;
      await pause(1);
    }
  }
  if (fault === "power") {
    await powerOffLabHost(host.name, paths);
    await powerOnLabHost(host.name, paths);
  }
  if (fault === "link") {
    await setCable(host.name, false, paths);
    await pause(20);
    await setCable(host.name, true, paths);
  }
  await first.ended;
  if (fault === "disk")
    await shell(
      host,
      `for m in /var /var/lib/hostkit; do if [ "$(findmnt -n -o FSTYPE "$m")" = tmpfs ]; then mount -o remount,size=4G "$m"; fi; done`,
    );
  return undefined;
}

/**
 * The run that was interrupted goes on by itself over these: it has to end well. Where nobody could log in for most of a guard's time, the
 * host is right to take the change back.
 */
export const isBridged = ({ fault, at }) =>
  ["link", "apt"].includes(fault) || (fault === "sshd" && !at.id.startsWith("nftables"));

/** A guard that was forgotten would take its change back only now: how long to wait for that before the host is looked at. */
export const guardSeconds = ({ at }) => (/^(?:nftables|sshd):/.test(at.id) ? 40 : 0);
