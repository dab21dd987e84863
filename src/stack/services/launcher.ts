import type { HealthCheck, Volume } from "../../manifest/schema.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { writeDockerMount } from "../../writers/docker-mount.ts";
import type { DockerMount } from "../../writers/docker-mount.ts";
import { askedAs } from "./health-check.ts";
import type { Workload } from "./workload.ts";

/** One copy of a workload as a container. */
export interface ContainerPlan {
  readonly workload: Workload;
  readonly container: string;
  readonly image: string;
  readonly network: string;
  readonly environmentFile: string;
  /** Files of shell text that export these variables. */
  readonly exported: readonly { readonly from: string; readonly names: readonly string[] }[];
  /** File on the host by name; they appear under /run/secrets. */
  readonly secrets: readonly { readonly name: string; readonly path: string }[];
  /** Docker volume or path on the host. */
  readonly mounts: readonly (Volume & { readonly from: string })[];
  /** Where it answers on 127.0.0.1, and inside. */
  readonly published?: { readonly port: number; readonly inside: number };
  /** How it is asked whether it is well; absent: it only has to live. */
  readonly health?: HealthCheck;
}

/** Seconds without any word of the launcher after which systemd restarts the unit. */
export function watchdogSecondsOf(health: HealthCheck | undefined): number {
  const { intervalSeconds, timeoutSeconds, retries } = health ?? liveness;
  return 30 + retries * (intervalSeconds + timeoutSeconds);
}

const liveness = { intervalSeconds: 5, timeoutSeconds: 5, retries: 3 };

/**
 * The script a container's unit runs: `docker run` in the foreground, and beside it a loop that asks the container from
 * the host. "Up" in `docker ps` does not mean that it answers, so the loop alone says READY and ends what is ill.
 */
export function renderLauncher(plan: ContainerPlan): string {
  const { intervalSeconds, timeoutSeconds, retries } = plan.health ?? liveness;
  return `${
    joinScripts([
      rawScript(`#!/bin/sh
# Written by hostkit: runs one container in the foreground of its unit.
set -eu`),
      sh`name=${plan.container}
${userScript(plan)}
interval=${intervalSeconds} timeout=${timeoutSeconds} patience=${retries}`,
      endScript(plan),
      bindChecks(plan),
      livenessFunction,
      checkFunction(plan),
      watchFunction,
      sh`docker rm -f "$name" >/dev/null 2>&1 || true
watch &
${exportsOf(plan)}exec docker run --rm --pull never --name "$name" --user "$user" --log-driver none \\
  ${optionWords(plan, "service")} ${plan.image} ${plan.workload.command ?? []}`,
    ]).text
  }\n`;
}

/**
 * The script that runs one command beside the release, in a container of its own which nobody reaches.
 * Called with: the container's name, options of `docker start`, `--`, more options of `docker create`, `--`, and words that take the
 * place of the image's command.
 */
export function renderCommandLauncher(plan: ContainerPlan): string {
  return `${
    joinScripts([
      rawScript(`#!/bin/sh
# Written by hostkit: runs one command in a container of its own, as the release is but that nobody reaches it.
set -eu
name=$1 start=
shift
while [ "$1" != -- ]; do start="$start $1"; shift; done
shift`),
      userScript(plan),
      bindChecks(plan),
      sh`options=yes
for word do
  shift
  if [ "$options" = yes ] && [ "$word" = -- ]; then
    options=no
    set -- "$@" ${plan.image}
  else set -- "$@" "$word"; fi
done
# Apart from the start: what Docker has to say of the kernel is not the command's.
${exportsOf(plan)}if ! said=$(docker create --rm --pull never --name "$name" --user "$user" --log-driver none \\
  ${optionWords(plan, "alone")} "$@" 2>&1); then
  echo "$said" >&2
  exit 125
fi
exec docker start --attach --interactive $start "$name"`,
    ]).text
  }\n`;
}

/** Shell text that defines `healthy`, which asks the container from the host as its launcher does, and sets `reply` where it is not well. */
export function renderCheck(plan: ContainerPlan): Script {
  const { timeoutSeconds } = plan.health ?? liveness;
  return joinScripts([
    sh`name=${plan.container} timeout=${timeoutSeconds}`,
    livenessFunction,
    checkFunction(plan),
  ]);
}

/** Sets `user` to the uid and gid it runs with. */
export function userScript({ workload: { user } }: ContainerPlan): Script {
  return sh`user=$(id -u ${user}):$(id -g ${user})`;
}

/** Reads the variables that docker takes from its own environment: as late as possible, nothing else has a use for them. */
export function exportsOf(plan: ContainerPlan): Script {
  return joinScripts(plan.exported.map(({ from }) => sh`. ${from}\n`));
}

/**
 * The words of `docker run` that make it what it is.
 * @param as "service": others reach it by the service's name, and its ports are published. "alone": nobody does
 */
export function optionWords(plan: ContainerPlan, as: "service" | "alone"): string[] {
  const { name, resources } = plan.workload;
  const { memoryBytes, cpus, pids } = resources;
  return [
    "--read-only",
    ...["--cap-drop", "ALL"],
    ...["--security-opt", "no-new-privileges"],
    ...["--tmpfs", "/tmp:rw,nosuid,nodev,noexec,mode=1777"],
    ...["--memory", String(memoryBytes), "--memory-swap", String(memoryBytes)],
    ...["--pids-limit", String(pids)],
    // Not --cpus: Docker refuses it where it exceeds the host's, or where the kernel has no quota.
    ...(cpus === undefined
      ? []
      : ["--cpu-period", "100000", "--cpu-quota", String(Math.round(cpus * 100_000))]),
    // Docker answers for a host name on the network as it does for an alias.
    ...(as === "service" ? ["--hostname", name] : []),
    ...["--network", plan.network, ...(as === "service" ? ["--network-alias", name] : [])],
    ...["--env-file", plan.environmentFile],
    ...plan.exported.flatMap(({ names }) => names.flatMap((variable) => ["--env", variable])),
    ...mountsOf(plan).flatMap((mount) => ["--mount", writeDockerMount(mount)]),
    ...(as === "service" ? publishedBy(plan) : []),
  ];
}

function publishedBy(plan: ContainerPlan): string[] {
  return [
    ...(plan.published === undefined
      ? []
      : ["--publish", `127.0.0.1:${plan.published.port}:${plan.published.inside}`]),
    ...plan.workload.ports.flatMap((port) => [
      "--publish",
      `${port.outside}:${port.inside}/${port.protocol}`,
    ]),
  ];
}

/**
 * `launcher ended`: what is done when the container has ended. After a power cut Docker may keep a port for a container that is gone
 * (moby 20486): nothing lists it, `docker rm -f`, `network disconnect -f` and a new network do not free it, a restart of Docker does.
 * Whether it is that, a second container tells, whose program does not exist: Docker gives ports out before it looks for it. With
 * live-restore, which hostkit sets, other containers live on through the restart; where they would not, it is only said.
 */
function endScript(plan: ContainerPlan): Script {
  const remove = sh`docker rm -f "$name" >/dev/null 2>&1 || true`;
  const publish = publishedBy(plan);
  if (publish.length === 0) return sh`if [ "\${1:-}" = ended ]; then ${remove}; exit 0; fi`;
  const ports = [
    ...(plan.published === undefined ? [] : [plan.published.port]),
    ...plan.workload.ports.map(({ outside }) => outside),
  ];
  return sh`if [ "\${1:-}" = ended ]; then
  ${remove}
  # docker run's own failure; looked into the first time and then about once a minute.
  [ "\${EXIT_STATUS:-}" = 125 ] || exit 0
  case $(systemctl show -p NRestarts --value "$name.service") in 0 | *[036]0) ;; *) exit 0 ;; esac
  docker create --pull never --name "$name-port" --network ${plan.network} --entrypoint /nonexistent ${publish} ${plan.image} >/dev/null 2>&1 || exit 0
  said=$(docker start "$name-port" 2>&1) || true
  docker rm -f "$name-port" >/dev/null 2>&1 || true
  case $said in *"port is already allocated"*) ;; *) exit 0 ;; esac
  for port in ${ports.map(String)}; do
    holder=$(docker ps --format ${"{{.Names}}"} --filter "publish=$port")
    if [ -n "$holder" ]; then echo "port $port is published by the container $holder" >&2; exit 0; fi
  done
  if [ "$(docker info --format ${"{{.LiveRestoreEnabled}}"})" != true ] && [ -n "$(docker ps -q)" ]; then
    echo "Docker keeps a port for a container that is gone (moby 20486). Only a restart of Docker frees it, and without live-restore that ends what runs now; when it may: systemctl restart docker" >&2
    exit 0
  fi
  echo "Docker keeps a port for a container that is gone (moby 20486): restarting Docker, which alone frees it; other containers live on" >&2
  exec systemctl --no-block restart docker.service
fi`;
}

function mountsOf(plan: ContainerPlan): DockerMount[] {
  const socket = plan.workload.database?.socket;
  const readOnly = (source: string, target: string): DockerMount => ({
    type: "bind",
    source,
    target,
    options: ["readonly"],
  });
  return [
    ...plan.secrets.map(({ name, path }) => readOnly(path, `/run/secrets/${name}`)),
    ...(socket === undefined ? [] : [readOnly(socket, socket)]),
    ...plan.mounts.map((mount): DockerMount => {
      const isNamed = mount.kind === "named";
      return {
        type: isNamed ? "volume" : "bind",
        source: mount.from,
        target: mount.path,
        options: [
          ...(mount.readOnly ? (["readonly"] as const) : []),
          // Otherwise the image's folder would hand its owner on to the volume.
          ...(isNamed ? (["volume-nocopy"] as const) : []),
        ],
      };
    }),
  ];
}

/** Folders of the host that it mounts have to be there; ends with 1 where one is not. */
export function bindChecks(plan: ContainerPlan): Script {
  return joinScripts(
    plan.mounts
      .filter((mount) => mount.kind === "bind")
      .map(
        (mount) =>
          sh`[ -e ${mount.from} ] || { echo ${`the volume ${mount.from} is not there: make that folder on the host`} >&2; exit 1; }`,
      ),
  );
}

/** The kernel's word on whether a process of the container is left; Docker's own is not to be trusted after a crash. */
const livenessFunction = rawScript(`alive() {
  id=$(timeout 10 docker inspect --type container --format '{{if .State.Running}}{{.Id}}{{end}}' "$name" 2>/dev/null) || return 1
  [ -n "$id" ] || return 1
  for events in "/sys/fs/cgroup/system.slice/docker-$id.scope/cgroup.events" "/sys/fs/cgroup/docker/$id/cgroup.events"; do
    if [ -r "$events" ]; then grep -q '^populated 1' "$events"; return; fi
  done
}`);

function checkFunction(plan: ContainerPlan): Script {
  const { published, health } = plan;
  if (health?.command !== undefined) return commandCheck(health.command);
  if (published === undefined) return rawScript("healthy() { alive; }");
  const { port, inside } = published;
  if (health?.path !== undefined) {
    return sh`healthy() {
  reply=$(curl -sS -o /dev/null -w ${"%{http_code}"} --globoff --max-time "$timeout" --noproxy ${"*"} ${askedAs(health)} ${`http://127.0.0.1:${port}${health.path}`} 2>&1) || { reply=\${reply%%000}; return 1; }
  case $reply in 2??|3??) ;; *) reply="status $reply"; return 1 ;; esac
}`;
  }
  // Docker's proxy accepts for a container that does not listen: ask the container's own address.
  return sh`healthy() {
  address=$(timeout 10 docker inspect --type container --format ${"{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"} "$name" 2>/dev/null) || return 1
  reply="port "${inside}" refuses connections"
  [ -n "$address" ] && timeout "$timeout" bash -c ${'</dev/tcp/"$1"/"$2"'} bash "$address" ${inside} 2>/dev/null
}`;
}

/**
 * A command inside. One that takes too long has failed, and no other is begun beside it: what `docker exec` starts outlives its client.
 * What it printed and its status stand in files, as it may still be at it when the next check comes.
 */
function commandCheck(words: readonly string[]): Script {
  return sh`answer=\${RUNTIME_DIRECTORY:-.}/check-$name
healthy() {
  if [ ! -e "$answer.asked" ]; then
    rm -f "$answer.status"
    : >"$answer.asked"
    ( code=0; docker exec "$name" ${words} >"$answer" 2>&1 </dev/null || code=$?; echo "$code" >"$answer.status" ) &
  fi
  tenths=$((timeout * 10))
  while [ ! -s "$answer.status" ]; do
    tenths=$((tenths - 1)) reply="the check takes longer than $timeout s"
    [ "$tenths" -gt 0 ] || return 1
    sleep 0.1
  done
  rm -f "$answer.asked"
  code=$(cat "$answer.status")
  reply="exit status $code: $(tail -n 1 "$answer" | tr -cd ${String.raw` -~`} | cut -c1-200)"
  [ "$code" = 0 ]
}`;
}

const watchFunction = rawScript(`watch() {
  failures=0 ready= pause=0.3 reply= told= begun=$(date +%s)
  while sleep "$pause"; do
    if healthy; then
      failures=0 pause=$interval
      if [ -z "$ready" ]; then systemd-notify --ready --status=healthy; ready=yes; fi
      systemd-notify WATCHDOG=1
    elif [ -z "$ready" ]; then
      # A port that nobody listens on yet is no news; what is still so a while later is.
      if [ "$reply" != "$told" ] && [ "$(date +%s)" -ge "$((begun + 3))" ]; then
        echo "not healthy yet: \${reply:-no answer}" >&2
        told=$reply
      fi
    else
      failures=$((failures + 1)) pause=2
      echo "health check failed ($failures of $patience): \${reply:-no answer}" >&2
      if [ "$failures" -ge "$patience" ]; then
        echo "not healthy: restarting the container" >&2
        timeout 10 docker kill "$name" >/dev/null 2>&1 || true
        kill -KILL $$
        return
      fi
    fi
  done
}`);
