import type { HealthCheck } from "../../manifest/schema.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Workload } from "./workload.ts";

/** Whether the check needs no way to the container's own address: it asks the published port, or inside. */
export function isAskedOnHost({ path, command }: HealthCheck): boolean {
  return path !== undefined || command !== undefined;
}

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
 * Whether a program under systemd runs; where it is not, its last lines are said.
 * @param seconds how long one that answers on no port is watched
 * @param hint for whoever finds that it does not run
 */
export function checkNative(
  unit: string,
  workload: Workload,
  seconds: number,
  hint: string | undefined,
): Script {
  // One that is asked has answered before its start was over.
  return withLogs(unit, stayCheck(unit, workload.health === undefined ? seconds : 0), hint);
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

/** Asks a program on this host, with `$timeout` seconds for it; sets `reply` where it is not well. */
function askScript(health: HealthCheck, port: number | undefined): Script {
  if (health.command !== undefined)
    return sh`ask() {
  said=$(timeout -k 2 "$timeout" ${health.command} 2>&1 </dev/null)
  code=$?
  [ "$code" != 0 ] || return 0
  if [ "$code" = 124 ] || [ "$code" = 137 ]; then reply="the check takes longer than $timeout s"; return 1; fi
  reply="exit status $code: $(printf ${"%s\n"} "$said" | tail -n 1 | tr -cd ${String.raw`\040-\176`} | cut -c1-200)"
  return 1
}`;
  if (health.path === undefined)
    return sh`ask() {
  reply=${`port ${port ?? ""} refuses connections`}
  timeout "$timeout" bash -c ${'</dev/tcp/127.0.0.1/"$1"'} bash ${port ?? ""} 2>/dev/null
}`;
  return sh`ask() {
  reply=$(curl -sS -o /dev/null -w ${"%{http_code}"} --globoff --noproxy ${"*"} --max-time "$timeout" ${askedAs(health)} ${`http://127.0.0.1:${port ?? ""}${health.path}`} 2>&1) || { reply=\${reply%%000}; return 1; }
  case $reply in 2??|3??) ;; *) reply="status $reply"; return 1 ;; esac
}`;
}

/**
 * What a native program's unit runs as `ExecStartPost=`, as its user and in its sandbox: the start waits until the program is well; then a
 * loop goes on asking, and ends a program that is not, which systemd starts again. It ends with the unit, whose process it is.
 */
export function renderNativeHealth(health: HealthCheck, port: number | undefined): string {
  const { intervalSeconds, timeoutSeconds, graceSeconds, retries } = health;
  return `${
    joinScripts([
      rawScript(`#!/bin/sh
# Written by hostkit: sees whether the program of its unit is well.
set -u`),
      sh`interval=${intervalSeconds} timeout=${timeoutSeconds} grace=${graceSeconds} retries=${retries} reply=`,
      askScript(health, port),
      rawScript(`deadline=$(($(date +%s) + grace))
until ask; do
  [ "$(date +%s)" -lt "$deadline" ] || { echo "not healthy after $grace s: \${reply:-no answer}" >&2; exit 1; }
  sleep 0.3
done
watch() {
  failures=0 pause=$interval
  while sleep "$pause"; do
    if ask; then
      failures=0 pause=$interval
      continue
    fi
    failures=$((failures + 1)) pause=2
    echo "health check failed ($failures of $retries): \${reply:-no answer}" >&2
    [ "$failures" -lt "$retries" ] || break
  done
  echo "not healthy: restarting the program" >&2
  kill -KILL "$MAINPID"
}
watch &`),
    ]).text
  }\n`;
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
