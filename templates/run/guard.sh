#!/bin/sh
# One guard: takes a change back unless somebody confirms it over a new connection. It lies with its scripts in a folder of its
# own, /var/lib/hostkit/guards/<id>, which is there before the change begins and gone when the guard is settled. The runner
# calls it, the countdown's unit, the boot, and whichever run next finds it.
#   about      what it guards, as shell words       armed    when its time is over, in hundredths of /proc/uptime
#   confirmed  the controller's word                decision "keep" or "revert", by ln(1): the first one counts
#   reverted   the old state is back, looked at     stuck    it is not; `log` says why
set -u
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
cd "$(dirname "$0")" || exit 1
HERE=$PWD
. ./about
export HOSTKIT_STACK_DIRECTORY="$OWNER"
units=/etc/systemd/system
at_boot=hostkit-guard-$ID.service
link=$units/multi-user.target.wants/$at_boot
countdown=hostkit-countdown-$ID.service

# Hundredths of a second since the boot, time asleep included; no reload of systemd starts them anew.
now() { read -r up _ </proc/uptime; echo "${up%.*}${up#*.}"; }

arm() {
  sh -eu save.sh >log 2>&1 || return 1
  echo keep >keep
  echo revert >revert
  mkdir -p "$units/multi-user.target.wants"
  cat >"$units/$at_boot" <<UNIT || return 1
[Unit]
Description=hostkit: put back what was not confirmed before the reboot
DefaultDependencies=no
RequiresMountsFor=/var/lib/hostkit
After=local-fs.target
Before=network-pre.target ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sh $HERE/guard.sh revert
[Install]
WantedBy=multi-user.target
UNIT
  ln -sf "$units/$at_boot" "$link" || return 1
  echo $(($(now) + SECONDS_TO_CONFIRM * 100)) >armed.new && sync ./* "$units/$at_boot" "$units/multi-user.target.wants" || return 1
  mv armed.new armed && sync . || return 1
  systemd-run --quiet --collect --unit="$countdown" --description="hostkit: waits for the confirmation of $ID" \
    --property=Restart=on-failure --property=RestartSec=1 --property=OOMScoreAdjust=-900 /bin/sh "$HERE/guard.sh" count 2>>log
}

count() {
  while [ ! -e decision ] && left=$(($(cat armed) - $(now))) && [ "$left" -gt 0 ]; do
    if [ "$left" -ge 100 ]; then sleep 1; else sleep "0.$(printf %02d "$left")"; fi
  done
  revert
}

is_over() { [ "$(now)" -gt "$(($(cat armed) + ${1:-0}))" ]; }

decide() {
  ln "$1" decision 2>/dev/null && sync decision .
  read -r decision <decision
}

# 0: the old state is back, or the change is to stay. The undo may be run again and again.
revert() {
  exec 7>>lock
  flock 7
  # "again": what began before the time was over may have ended after the undo.
  if [ "${1:-}" = again ]; then rm -f reverted; fi
  [ ! -e reverted ] || return 0
  if [ -e confirmed ]; then decide keep; else decide revert; fi
  if [ "$decision" = keep ]; then take_units_away; return 0; fi
  for try in 1 2 3; do
    if sh -u undo.sh >log 2>&1 7>&- && sh -eu check.sh >>log 2>&1 7>&-; then
      rm -f stuck
      date +%s >reverted.new && mv reverted.new reverted && sync . && take_units_away
      return 0
    fi
    sleep 1
  done
  echo "tried $try times; it is tried again every few seconds, at each boot and by each run" >>log
  : >stuck
  return 1
}

keep() {
  decide keep
  [ "$decision" = keep ] && remove
}

take_units_away() { rm -f "$link" "$units/$at_boot"; }

remove() {
  systemctl stop "$countdown" 2>/dev/null
  systemctl reset-failed "$countdown" 2>/dev/null
  take_units_away
  systemctl daemon-reload
  # Without `about` it is no guard any more, however much of the rest a kill or a power cut leaves.
  rm -f about && sync . && cd / && rm -rf "$HERE"
  rmdir "${HERE%/*}" 2>/dev/null
  return 0
}

# For a run that finds it without its own: prints what has become of it.
settle() {
  state=reverted
  if [ ! -e armed ]; then state=unarmed
  elif ! revert; then state=stuck
  elif [ ! -e reverted ]; then state=kept; fi
  printf '"event":"guard","id":%s,"of":"%s","state":"%s"' "$CHANGE" "$RUN" "$state"
  [ "$state" = stuck ] || remove
}

"$@"
