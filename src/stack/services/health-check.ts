import type { HealthCheck } from "../../manifest/schema.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Workload } from "./workload.ts";

/** curl's words that make a check look like what the proxy passes on. */
export function askedAs({ host }: HealthCheck): string[] {
  if (host === undefined) return [];
  return [
    "-H",
    `Host: ${host}`,
    "-H",
    `X-Forwarded-Host: ${host}`,
    "-H",
    "X-Forwarded-Proto: https",
  ];
}

/**
 * Whether a program under systemd runs and is well; where it is not, its last lines are said.
 * @param seconds how long one that answers on no port is watched
 * @param hint for whoever finds that it does not run
 */
export function checkNative(
  unit: string,
  workload: Workload,
  seconds: number,
  hint: string | undefined,
): Script {
  const check =
    workload.kind === "web"
      ? healthCheck(workload.port, workload.health)
      : stayCheck(unit, seconds);
  return withLogs(unit, check, hint);
}

/**
 * A program that ends in its first seconds is not running, whatever systemd said about its start; one that told systemd itself
 * that it is ready (sd_notify) needs less watching.
 */
function stayCheck(name: string, seconds: number): Script {
  return sh`sleep ${seconds}
case $(systemctl show -p ActiveState -p NRestarts ${name} | sort) in
  ${"ActiveState=active\nNRestarts=0"}) ;;
  *) false ;;
esac`;
}

/** Waits until the port answers on this host. */
function healthCheck(port: number, health: HealthCheck): Script {
  const grace = health.graceSeconds;
  const ask =
    health.path === undefined
      ? sh`timeout 5 bash -c ${'</dev/tcp/127.0.0.1/"$1"'} bash ${port} 2>/dev/null`
      : sh`curl -fsS -o /dev/null --globoff --noproxy ${"*"} --max-time ${health.timeoutSeconds} ${askedAs(health)} ${`http://127.0.0.1:${port}${health.path}`}`;
  return sh`deadline=$(($(date +%s) + ${grace}))
until ${ask}; do
  [ "$(date +%s)" -lt "$deadline" ] || { echo ${`not healthy after ${grace} s`} >&2; false; return; }
  sleep 0.3
done`;
}

function withLogs(name: string, check: Script, hint: string | undefined): Script {
  return sh`began=$(date +%s)
check() {
${check}
}
if ! check; then
  echo ${`${name} does not stay up; its last lines:`} >&2
  journalctl -u ${name} --since "@$((began - 5))" -n 20 --no-pager -o cat >&2 || true
  ${hint === undefined ? sh`:` : sh`echo ${hint} >&2`}
  exit 1
fi`;
}
