#!/bin/sh
# hostkit's runner: carries out one bundle on the host, on its own. Started as a transient unit, it needs no controller
# but for the confirmation of guarded changes. docs/architecture.md tells the layout.
set -u
umask 077
cd "$(dirname "$0")" || exit 1
RUN=$PWD
. ./settings
. ./paths.sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive
export HOSTKIT_RUN="$RUN" HOSTKIT_STACK_DIRECTORY="$STACK_DIRECTORY"

emit() { printf '{"time":%s,%s}\n' "$(date +%s.%N)" "$1" >>"$RUN/events"; }
# After an uninstall: folders made for files, deepest first, then the stack's own folder unless data stays behind.
clean_up() {
  if [ -e "$STACK_DIRECTORY/directories" ]; then
    sort -ru "$STACK_DIRECTORY/directories" | while IFS= read -r made; do hk_remove_folder "$made"; done
  fi
  systemctl daemon-reload
  [ "$CLEANUP" = all ] || return 0
  # What programs made in /etc while they ran, and left empty.
  find /etc -xdev -depth -type d -empty | while IFS= read -r made; do
    grep -qxF "$made" "$STACK_DIRECTORY/etc-directories" || hk_remove_folders "$made"
  done
  sleep 1
  cd / || return 0
  rm -rf "$STACK_DIRECTORY"
  if [ -z "$(find /var/lib/hostkit -mindepth 1 -maxdepth 1 -type d)" ]; then rm -rf /var/lib/hostkit; fi
}

finish() {
  rm -rf "$RUN"/c/*/files "$RUN"/c/*/stdin "$RUN/queue"
  sync -f "$RUN/events" 2>/dev/null || true
  emit "\"event\":\"end\",\"state\":\"$1\""
  if [ "$1" = ok ] && [ -n "$CLEANUP" ]; then clean_up; fi
  [ "$1" = locked ] || : >"$STACK_DIRECTORY/lock.holder"
  exit "$2"
}

echo $$ >"$RUN/pid"
mkdir -p "$STACK_DIRECTORY/stamps" "$STACK_DIRECTORY/preimages"
chmod 700 /var/lib/hostkit "$STACK_DIRECTORY"
[ -e "$STACK_DIRECTORY/etc-files" ] || find /etc -xdev ! -type d >"$STACK_DIRECTORY/etc-files"
[ -e "$STACK_DIRECTORY/etc-directories" ] || find /etc -xdev -type d >"$STACK_DIRECTORY/etc-directories"
if [ ! -s /var/lib/hostkit/secret.key ]; then
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >/var/lib/hostkit/secret.key
fi

exec 9>>"$STACK_DIRECTORY/lock"
if ! flock -n 9; then finish locked 75; fi
printf '%s\n' "$HOLDER" >"$STACK_DIRECTORY/lock.holder"

if [ "$STATE_HASH" != any ]; then
  if [ -e "$STACK_DIRECTORY/state.jsonl" ]; then
    hash=$(sha256sum <"$STACK_DIRECTORY/state.jsonl" | cut -c1-64)
  else
    hash=none
  fi
  if [ "$hash" != "$STATE_HASH" ]; then finish stale 1; fi
  cp state.jsonl "$STACK_DIRECTORY/state.jsonl.new" && mv -f "$STACK_DIRECTORY/state.jsonl.new" "$STACK_DIRECTORY/state.jsonl"
fi
while IFS= read -r stamp; do rm -f "$stamp"; done <invalidates

emit '"event":"start"'

# Restores the old state unless the change was decided already; run by a timer, at boot, or after a failed step.
write_revert() {
  cat >guard/revert.sh <<EOF
#!/bin/sh
cd "$PWD" || exit 1
mkdir guard/decided 2>/dev/null || exit 0
export HOSTKIT_STACK_DIRECTORY='$STACK_DIRECTORY'
. ./guard/undo.sh
touch guard/reverted
rm -f "/etc/systemd/system/$GUARD_UNIT.service" "/etc/systemd/system/multi-user.target.wants/$GUARD_UNIT.service"
EOF
  cat >"/etc/systemd/system/$GUARD_UNIT.service" <<EOF
[Unit]
Description=hostkit: put back what was not confirmed before the reboot
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sh $PWD/guard/revert.sh
[Install]
WantedBy=multi-user.target
EOF
  mkdir -p /etc/systemd/system/multi-user.target.wants
  ln -sf "/etc/systemd/system/$GUARD_UNIT.service" "/etc/systemd/system/multi-user.target.wants/$GUARD_UNIT.service"
  sync
}

arm() {
  GUARD_UNIT="hostkit-guard-$RUN_ID-$1"
  sh -eu guard/save.sh >guard/save.log 2>&1 || return 1
  write_revert
  systemd-run --quiet --collect --on-active="$2" --timer-property=AccuracySec=100ms \
    --unit="hostkit-revert-$RUN_ID-$1" /bin/sh "$PWD/guard/revert.sh" 9>&-
}

# Waits for the controller's word, which must come over a new connection.
confirm() {
  emit "\"event\":\"confirm\",\"change\":$1,\"seconds\":$2"
  limit=$(($2 * 5 + 25)); waited=0
  while [ ! -e guard/reverted ] && [ "$waited" -lt "$limit" ]; do
    if [ -e guard/confirmed ] && mkdir guard/decided 2>/dev/null; then
      disarm "$1"
      return 0
    fi
    sleep 0.2; waited=$((waited + 1))
  done
  return 1
}

disarm() {
  systemctl stop "hostkit-revert-$RUN_ID-$1.timer" 2>/dev/null
  rm -f "/etc/systemd/system/$GUARD_UNIT.service" "/etc/systemd/system/multi-user.target.wants/$GUARD_UNIT.service"
}

run_change() (
  n=$1 guard=$2
  cd "c/$n" || exit 1
  if [ "$guard" -gt 0 ] && ! arm "$n" "$guard"; then
    emit "\"event\":\"step\",\"change\":$n,\"step\":0,\"state\":\"failed\",\"code\":1"
    cp guard/save.log 0.log; exit 1
  fi
  for script in steps/*.sh; do
    step=${script#steps/}; step=${step%.sh}; step=${step#0}
    stdin=/dev/null; [ -e "stdin/$step" ] && stdin="stdin/$step"
    emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"started\""
    sh -eu "$script" <"$stdin" >"$step.log" 2>&1
    code=$?
    if [ "$code" -ne 0 ]; then
      emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"failed\",\"code\":$code"
      if [ "$guard" -gt 0 ]; then sh guard/revert.sh >>"$step.log" 2>&1; disarm "$n"; fi
      exit 1
    fi
    emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"ok\""
  done
  if [ "$guard" -gt 0 ] && ! confirm "$n" "$guard"; then
    emit "\"event\":\"reverted\",\"change\":$n"
    exit 79
  fi
  exit 0
) 9>&-

mkfifo queue
exec 8<>queue
running=0 outcome=ok pending= next=
while IFS='|' read -r n guard waits may_fail; do
  eval "waits_$n=\$waits guard_$n=\$guard may_fail_$n=\$may_fail state_$n=waiting"
  pending="$pending $n"
done <changes

is_ready() {
  eval "needed=\$waits_$1"
  for other in $needed; do
    eval "[ \"\$state_$other\" = ok ]" || return 1
  done
}

while :; do
  if [ "$outcome" = ok ]; then
    next=
    for n in $pending; do
      if [ "$running" -lt "$PARALLEL" ] && is_ready "$n"; then
        eval "guard=\$guard_$n"
        running=$((running + 1))
        { run_change "$n" "$guard"; echo "$n $?" >&8; } &
      else
        next="$next $n"
      fi
    done
    pending=$next
  fi
  [ "$running" -gt 0 ] || break
  read -r n code <&8
  running=$((running - 1))
  case $code in
    0)
      eval "state_$n=ok"
      cat "c/$n/state" >>"$STACK_DIRECTORY/state.jsonl"
      emit "\"event\":\"change\",\"change\":$n,\"state\":\"ok\""
      ;;
    79) outcome=reverted ;;
    *)
      eval "may_fail=\$may_fail_$n"
      if [ "$may_fail" = yes ]; then eval "state_$n=ok"; else [ "$outcome" = reverted ] || outcome=failed; fi
      ;;
  esac
done

# Who did what stays for the newest hundred runs: the audit log. How each step went stays for the newest twenty.
ls -1d "$STACK_DIRECTORY"/runs/*/ 2>/dev/null | sort | head -n -20 | while IFS= read -r old; do
  find "$old" -mindepth 1 -maxdepth 1 ! -name plan.json ! -name events -exec rm -rf {} +
done
ls -1d "$STACK_DIRECTORY"/runs/*/ 2>/dev/null | sort | head -n -100 | while IFS= read -r old; do rm -rf "$old"; done

case $outcome in
  ok) finish ok 0 ;;
  reverted) finish reverted 79 ;;
  *) finish failed 1 ;;
esac
