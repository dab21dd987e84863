import { sh } from "../../shell/script.ts";

/** Whose processes a build's are, so that they give way to what runs. */
export const buildSlice = "hostkit-build.slice";

/**
 * Limits of all builds together: they get the processor and the disk that nobody else wants, and a part of the memory, so that a build that
 * eats it is killed and nothing else. Where BuildKit does not put its processes there (20.10), or the kernel has no such limits, each of
 * them is told to be idle as it appears. The last build of several takes the slice away again.
 */
export const limitBuilds = sh`exec 7>/run/hostkit-build.lock
flock -s 7
limit() { systemctl set-property --runtime ${buildSlice} "$@" IOWeight=1 MemoryHigh=60% MemoryMax=75% TasksMax=50%; }
limit CPUWeight=idle 2>/dev/null || limit CPUWeight=1 2>/dev/null || true
systemctl start ${buildSlice} || true
(
  while sleep 0.5; do
    for group in ${"/sys/fs/cgroup/hostkit-build.slice/buildkit/"}* /sys/fs/cgroup/system.slice/system.slice:docker:*; do
      [ -e "$group/cgroup.procs" ] || continue
      [ ! -e "$group/cpu.idle" ] || echo 1 >"$group/cpu.idle"
      while read -r process; do
        chrt --idle --pid 0 "$process" && ionice -c 3 -p "$process"
      done <"$group/cgroup.procs"
    done
  done
) 7>&- </dev/null >/dev/null 2>&1 &
keeper=$!`;

/** What undoes it, at the end of the build. */
export const releaseBuilds = sh`kill "$keeper" 2>/dev/null || true
wait "$keeper" 2>/dev/null || true
if flock -n -x 7; then
  systemctl stop ${buildSlice} || true
  systemctl revert ${buildSlice} 2>/dev/null || true
  rm -f /run/hostkit-build.lock
fi`;
