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

# Adds what it reads. A line that was cut short (the disk was full) must not swallow the next one.
append() {
  if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >>"$1" || return 1; fi
  cat >>"$1"
}

# Objects are for the state file, other lines say what is unfinished.
note() {
  grep '^{' "$1" | append "$STACK_DIRECTORY/state.jsonl" && grep -v '^{' "$1" | append "$STACK_DIRECTORY/unfinished"
}

# Whole or not at all, and still there after a power cut.
write_whole() { cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1"; }

# After an uninstall: folders made for files, deepest first, then the stack's own folder unless data stays behind.
clean_up() {
  if [ -e "$STACK_DIRECTORY/directories" ]; then
    sort -ru "$STACK_DIRECTORY/directories" | while IFS= read -r made; do hk_remove_folder "$made"; done
  fi
  systemctl daemon-reload
  # What a step found in use stays, and with it what hostkit knows of it.
  [ "$CLEANUP" = all ] && [ ! -s "$STACK_DIRECTORY/kept" ] || return 0
  # What programs made in /etc while they ran, and left empty.
  find /etc -xdev -depth -type d -empty | while IFS= read -r made; do
    grep -qxF "$made" "$STACK_DIRECTORY/etc-directories" || hk_remove_folders "$made"
  done
  sleep 1
  cd / || return 0
  # The stack's own folder last: as long as it is there, the next uninstall has something to do.
  others=$(find /var/lib/hostkit -mindepth 1 -maxdepth 1 -type d ! -path "$STACK_DIRECTORY")
  [ -n "$others" ] || find /var/lib/hostkit -mindepth 1 -maxdepth 1 ! -type d -delete
  rm -rf "$STACK_DIRECTORY"
  rmdir /var/lib/hostkit 2>/dev/null
}

finish() {
  rm -rf "$RUN"/c/*/files "$RUN"/c/*/stdin "$RUN"/c/*/kept "$RUN/queue"
  if [ "$1" = ok ] && [ "$STATE_HASH" != any ]; then
    if [ -e still-due ]; then
      # A run for a part of the plan leaves what is begun and due outside of it.
      write_whole "$STACK_DIRECTORY/unfinished" <still-due
      [ -s still-due ] || rm -f "$STACK_DIRECTORY/unfinished"
    else
      rm -f "$STACK_DIRECTORY/unfinished" "$STACK_DIRECTORY"/preimages/*.restored
      # All that was begun is made, so that lines that say so stand behind those.
      grep -v '"begun":"[a-z]*"}$' "$STACK_DIRECTORY/state.jsonl" | write_whole "$STACK_DIRECTORY/state.jsonl"
    fi
  fi
  sync -f "$RUN/events" 2>/dev/null || true
  emit "\"event\":\"end\",\"state\":\"$1\""
  if [ "$1" = ok ] && [ -n "$CLEANUP" ]; then clean_up; fi
  [ "$1" = locked ] || [ ! -d "$STACK_DIRECTORY" ] || : >"$STACK_DIRECTORY/lock.holder"
  exit "$2"
}

echo $$ >"$RUN/pid"
mkdir -p "$STACK_DIRECTORY/stamps" "$STACK_DIRECTORY/preimages"
chmod 700 /var/lib/hostkit "$STACK_DIRECTORY"

exec 9>>"$STACK_DIRECTORY/lock"
if ! flock -n 9; then finish locked 75; fi
printf '%s\n' "$HOLDER" >"$STACK_DIRECTORY/lock.holder"

# With the lock no other run of the stack goes on: what a killed one was given to read, secrets among it, goes.
for earlier in "$STACK_DIRECTORY"/runs/*/; do
  [ "$earlier" -ef "$RUN" ] || rm -rf "$earlier"c/*/files "$earlier"c/*/stdin "$earlier"c/*/context "$earlier"c/*/context.tar
done

[ -e "$STACK_DIRECTORY/etc-files" ] || find /etc -xdev ! -type d | write_whole "$STACK_DIRECTORY/etc-files"
[ -e "$STACK_DIRECTORY/etc-directories" ] || find /etc -xdev -type d | write_whole "$STACK_DIRECTORY/etc-directories"
[ -s /var/lib/hostkit/secret.key ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' | write_whole /var/lib/hostkit/secret.key

# What an earlier run, of whichever stack, left waiting for a confirmation is settled before anything else. A run that still goes
# on (it has its stack's lock) settles its own.
settled=0 stuck=0
guards=/var/lib/hostkit/guards
settle_guards() {
  for guard in "$guards"/*/; do
    [ -d "$guard" ] || continue
    if [ ! -e "$guard/about" ]; then rm -rf "$guard"; continue; fi
    owner=$(. "$guard/about" && echo "$OWNER")
    if [ "$owner" != "$STACK_DIRECTORY" ] && [ -e "$owner/lock" ] && ! flock -n "$owner/lock" true; then continue; fi
    said=$(sh "$guard/guard.sh" settle 9>&-)
    if [ -z "$said" ] && [ ! -e "$guard/armed" ]; then
      # A power cut took its files before they were on the disk, and so before anything was changed under it.
      rm -rf "$guard"
      continue
    fi
    [ -n "$said" ] || said=$(. "$guard/about" && printf '"event":"guard","id":%s,"of":"%s","state":"stuck"' "$CHANGE" "$RUN")
    settled=1
    emit "$said"
    case $said in *'"state":"stuck"' | '') stuck=1; cat "$guard/log" >>guards.log ;; esac
  done
  rmdir "$guards" 2>/dev/null
}
settle_guards
if [ "$stuck" -ne 0 ]; then finish stuck 1; fi

# Units that a step of a run that was killed kept from starting.
if [ -s "$STACK_DIRECTORY/held" ]; then
  while read -r units; do systemctl unmask --runtime -q $units; done <"$STACK_DIRECTORY/held"
fi
rm -f "$STACK_DIRECTORY/held"

if [ "$STATE_HASH" != any ]; then
  if [ -e "$STACK_DIRECTORY/state.jsonl" ]; then
    hash=$(sha256sum <"$STACK_DIRECTORY/state.jsonl" | cut -c1-64)
  else
    hash=none
  fi
  # A plan was made of what was there before the guards were settled.
  if [ "$hash" != "$STATE_HASH" ] || { [ "$settled" -ne 0 ] && [ -s changes ]; }; then finish stale 1; fi
  write_whole "$STACK_DIRECTORY/state.jsonl" <state.jsonl && sync "$STACK_DIRECTORY" || finish full 1
fi
while IFS= read -r stamp; do rm -f "$stamp"; done <invalidates

[ -z "$CLEANUP" ] || rm -f "$STACK_DIRECTORY/kept" "$STACK_DIRECTORY/handed"
# Commands that somebody runs beside services end before those do.
if [ -n "$CLEANUP" ]; then
  for command in /run/hostkit-one-off/"${STACK_DIRECTORY##*/}"-????????T??????Z-*/; do
    [ ! -d "$command" ] || systemctl stop "hostkit-one-off-$(basename "$command").service" || true
  done
  rmdir /run/hostkit-one-off 2>/dev/null
fi
emit '"event":"start"'

# Before a change's first step: that it is ours to take away again, and which changes behind it are now due.
begin_change() {
  note "c/$1/begin" && sync "$STACK_DIRECTORY/state.jsonl" "$STACK_DIRECTORY/unfinished"
}

fail_preparation() {
  emit "\"event\":\"step\",\"change\":$1,\"step\":0,\"state\":\"failed\",\"code\":1"
}

# The guard's record is in its place before it is armed, and it is armed before the first step.
arm() {
  GUARD=$guards/$RUN_ID-$1
  mkdir -p "$guards" && mv guard "$GUARD" && sh "$GUARD/guard.sh" arm 9>&- && return 0
  cat "$GUARD/log" 2>/dev/null
  sh "$GUARD/guard.sh" remove 9>&-
  return 1
}

# Says whether the old state is really back.
take_back() {
  if sh "$GUARD/guard.sh" revert "$2" 9>&-; then
    emit "\"event\":\"reverted\",\"change\":$1,\"state\":\"back\""
    sh "$GUARD/guard.sh" remove 9>&-
  else
    cp "$GUARD/log" 0.log
    emit "\"event\":\"reverted\",\"change\":$1,\"state\":\"stuck\""
  fi
}

# Waits for the controller's word, which must come over a new connection.
confirm() {
  emit "\"event\":\"confirm\",\"change\":$1,\"seconds\":$2"
  while [ ! -e "$GUARD/decision" ]; do
    if [ -e "$GUARD/confirmed" ] && sh "$GUARD/guard.sh" keep 9>&-; then return 0; fi
    # The countdown is a unit of its own, which may have been ended by hand.
    if sh "$GUARD/guard.sh" is_over 300; then break; fi
    sleep 0.2
  done
  return 1
}

# run_step SCRIPT STDIN NUMBER: in a session of its own, so that all it started can be ended when its time is over
run_step() {
  limit=$(cat "bounds/$3" 2>/dev/null || echo "$STEP_SECONDS")
  setsid sh -eu "$1" <"$2" >"$3.log" 2>&1 8>&- &
  child=$!
  watch_step "$child" "$limit" "$n" "$3" 8>&- &
  watcher=$!
  wait "$child"
  code=$?
  if [ -e "$3.expired" ]; then wait "$watcher"; return 124; fi
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
  return "$code"
}

# watch_step PROCESS SECONDS CHANGE NUMBER: says every half minute that it goes on, and with which last line
watch_step() {
  waited=0
  while sleep 1 && kill -0 "$1" 2>/dev/null; do
    waited=$((waited + 1))
    if [ "$waited" -ge "$2" ]; then
      : >"$4.expired"
      kill -s TERM -- "-$1"
      sleep 5
      kill -s KILL -- "-$1"
      return
    fi
    if [ $((waited % 30)) -eq 0 ]; then
      newest=$(ls -t ./*.log | head -n 1)
      line=$(tail -n 1 "$newest" | tr -d '\000-\037"\\\177' | cut -c1-160)
      emit "\"event\":\"waiting\",\"change\":$3,\"step\":$4,\"seconds\":$waited,\"line\":\"$line\""
    fi
  done
}

run_change() (
  n=$1 guard=$2
  cd "c/$n" || exit 1
  if [ "$guard" -gt 0 ] && ! arm "$n" >0.log 2>&1; then
    fail_preparation "$n"
    exit 1
  fi
  for script in steps/*.sh; do
    if [ "$guard" -gt 0 ] && [ -e "$GUARD/decision" ]; then break; fi
    step=${script#steps/}; step=${step%.sh}; step=${step#0}
    stdin=/dev/null; [ -e "stdin/$step" ] && stdin="stdin/$step"
    emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"started\""
    run_step "$script" "$stdin" "$step"
    code=$?
    if [ "$code" -ne 0 ]; then
      expired=; [ -e "$step.expired" ] && expired=",\"expired\":$limit"
      emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"failed\",\"code\":$code$expired"
      if [ "$guard" -gt 0 ]; then take_back "$n" again; fi
      exit 1
    fi
    emit "\"event\":\"step\",\"change\":$n,\"step\":$step,\"state\":\"ok\""
  done
  [ "$guard" -gt 0 ] || exit 0
  # Steps that took longer than the guard's time have undone what the guard did.
  if [ -e "$GUARD/decision" ]; then take_back "$n" again; exit 79; fi
  confirm "$n" "$guard" && exit 0
  take_back "$n" once
  exit 79
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
        if begin_change "$n" 2>"c/$n/0.log"; then
          { run_change "$n" "$guard"; echo "$n $?" >&8; } &
        else
          fail_preparation "$n"
          echo "$n 1" >&8
        fi
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
      if note "c/$n/state" 2>"c/$n/0.log"; then
        eval "state_$n=ok"
        emit "\"event\":\"change\",\"change\":$n,\"state\":\"ok\""
      else
        fail_preparation "$n"
        outcome=failed
      fi
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
