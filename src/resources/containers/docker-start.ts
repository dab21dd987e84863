import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/** Docker's own configuration. */
export const daemonPath = "/etc/docker/daemon.json";

/**
 * Starts Docker, or starts it anew (`$verb`). One that runs is asked first whether it takes its file, with the flags of its unit and in
 * every version, by a reload: where it refuses, the file before is put back, and Docker and all containers have run on. Where it
 * takes the file, live-restore is in effect before the restart, and no container ends by it. Where Docker then does not start, the
 * file before is put back, too.
 * @param former folder below the stack's, where the file before is kept (`file`, or nothing where there was none)
 */
export function startDocker(former: string): Script {
  return sh`former="$HOSTKIT_STACK_DIRECTORY"/${former}
docker_said() { journalctl -u docker.service --after-cursor="$cursor" -o cat -q --no-pager | grep -e "$1" | tail -n 1 | sed ${'s/^time=.* msg="\\(.*\\)"$/\\1/'} | cut -c1-500; }
put_back() { hk_put_back "$former/file" ${daemonPath} && rm -rf "$former"; }
if [ "$verb" = restart ] && systemctl is-active -q docker.service && [ -e ${daemonPath} ]; then
  cursor=$(journalctl -n 0 --show-cursor -q | sed -n 's/^-- cursor: //p')
  systemctl reload docker.service || true
  tries=0
  until [ -n "$(docker_said 'Reloaded configuration')" ]; do
    refused=$(docker_said 'unable to configure the Docker daemon')
    if [ -n "$refused" ]; then
      echo ${`Docker refuses ${daemonPath}`}": $refused" >&2
      if [ -d "$former" ]; then
        put_back
        systemctl reload docker.service || true
        echo "the file is as it was; Docker was not stopped" >&2
      fi
      exit 1
    fi
    [ "$tries" -lt 50 ] || break
    tries=$((tries + 1))
    sleep 0.2
  done
fi
if ! systemctl "$verb" docker.service; then
  journalctl -u docker.service -n 20 --no-pager -o cat >&2 || true
  if [ -d "$former" ]; then
    put_back
    systemctl reset-failed docker.service 2>/dev/null || true
    if systemctl start docker.service; then
      echo ${`Docker did not start with ${daemonPath} as it was to be; the file is as it was, and Docker runs with it`} >&2
    else
      echo ${`Docker did not start with ${daemonPath} as it was to be; the file is as it was, but Docker does not start with it either`} >&2
    fi
  fi
  exit 1
fi
rm -rf "$former"`;
}
