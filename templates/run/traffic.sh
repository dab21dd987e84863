# Where the requests of a service go, read and moved by the steps of a run; docs/decisions/0034-a-switch-that-caddy-asks.md tells why.
# hk_switch is /etc/hostkit/STACK/upstreams/SERVICE.caddy, which Caddy has in its configuration. For each request Caddy looks whether
# SERVICE.b is there: it goes to slot b then, else to slot a. So one file that comes or goes moves the traffic, and Caddy goes on.
# Whoever reads them on the controller is src/facts/containers/traffic.ts: what is said here and there has to be the same.

# hk_mark: the file that says where the traffic goes; none where nothing was released. The last is how it was said before there were marks.
hk_mark() {
  for hk_file in "${hk_switch%.caddy}.b" "${hk_switch%.caddy}.a" "$hk_switch"; do
    [ ! -f "$hk_file" ] || { printf '%s\n' "$hk_file"; return 0; }
  done
  return 1
}

# hk_traffic: the line that says where the traffic goes; nothing where it goes nowhere
hk_traffic() { hk_marked=$(hk_mark) && sed -n '1{/^# hostkit: slot /p;}' "$hk_marked"; }

# hk_send FILE: the traffic goes where the line in FILE says
hk_send() {
  hk_slot=$(sed -n '1s/^# hostkit: slot \([ab]\), .*/\1/p' "$1") && [ -n "$hk_slot" ] || return 1
  head -n 1 -- "$1" >"${hk_switch%.caddy}.$hk_slot.new" && chmod 0644 "${hk_switch%.caddy}.$hk_slot.new" || return 1
  hk_take "${hk_switch%.caddy}.$hk_slot" || return 1
  if [ "$hk_slot" = a ]; then hk_slot=b; else hk_slot=a; fi
  rm -f -- "${hk_switch%.caddy}.$hk_slot" && sync "${hk_switch%/*}"
}

# hk_put_text FILE PATH: what Caddy reads; says whether it is another than before, which is kept beside until hk_settle_texts
hk_put_text() {
  if cmp -s -- "$1" "$2"; then return 0; fi
  if [ -f "$2" ]; then cp -p -- "$2" "$2.former"; else : >"$2.none"; fi
  cat -- "$1" >"$2.new" && chmod 0644 "$2.new" && hk_take "$2" && echo "$2"
}

# hk_settle_texts keep|undo PATH...: ends what hk_put_text began
hk_settle_texts() {
  hk_way=$1
  shift
  for hk_file; do
    if [ "$hk_way" = undo ]; then
      if [ -f "$hk_file.former" ]; then mv -f -- "$hk_file.former" "$hk_file"; fi
      if [ -f "$hk_file.none" ]; then rm -f -- "$hk_file"; fi
    fi
    rm -f -- "$hk_file.former" "$hk_file.none"
  done
}

# hk_reads_switch: whether Caddy runs and has the service in its configuration
hk_reads_switch() {
  systemctl is-active -q caddy.service && grep -qsF "$hk_switch" /etc/caddy/Caddyfile /etc/caddy/hostkit/sites/*.caddy
}

# hk_sees_switch: whether Caddy's user sees the mark; what it does not see is as if it were not there
hk_sees_switch() { setpriv --reuid caddy --regid caddy --init-groups test -f "$1"; }

# --- what a slot still has to do once it lost the traffic. hk_drain is the unit that waits for it ---

# hk_connected SLOT: whether somebody is connected to it. Caddy closes what it does not use after a second.
hk_connected() {
  hk_filter=$(grep -o '127\.0\.0\.1:[0-9]*' "${hk_switch%.caddy}.$1.caddy" 2>/dev/null | sed 's/.*:/dport = :/' | sed ':a;N;$!ba;s/\n/ or /g')
  [ -n "$hk_filter" ] && [ -n "$(ss -Hnt state established "( $hk_filter )")" ]
}

# hk_drains RECORD: whether this release still ends what it has
hk_drains() { systemctl is-active -q "$hk_drain" && [ "$(systemctl show -p Description --value "$hk_drain")" = "hostkit: $1 ends what it has" ]; }

# hk_retire SLOT SECONDS PATIENCE UNIT...: a slot that lost the traffic stops as soon as nobody is connected to it, at the latest after
# SECONDS. This waits for PATIENCE seconds; then a unit of its own does, and the run goes on. With 0 it waits for nothing.
hk_retire() {
  hk_slot=$1 hk_end=$(($(date +%s) + $2)) hk_patience=$(($(date +%s) + $3)) hk_seconds=$2 hk_wait=$3
  shift 3
  systemctl disable -q "$@" 2>/dev/null || :
  if systemctl is-active -q "$hk_drain" || ! systemctl is-active -q "$@"; then
    systemctl is-active -q "$hk_drain" || systemctl reset-failed "$@" 2>/dev/null || :
    return 0
  fi
  while hk_connected "$hk_slot" && [ "$(date +%s)" -lt "$hk_end" ] && [ "$(date +%s)" -lt "$hk_patience" ]; do sleep 0.2; done
  if [ "$hk_seconds" -gt 0 ] && hk_connected "$hk_slot" && [ "$(date +%s)" -lt "$hk_end" ]; then
    hk_last=$(for hk_file in $(hk_list_releases -r); do
      case $(hk_release_state "$hk_file")" "$(hk_release_of "$hk_file") in "replaced $hk_slot "*) basename "$hk_file" .jsonl; break ;; esac
    done)
    if [ -n "$hk_last" ]; then printf '{"drains":%s}\n' "$hk_end" | hk_amend "$hk_records/$hk_last.jsonl" || return 1; fi
    # It outlives the run, and is gone after a reboot, as what it waits for is.
    systemctl reset-failed "$hk_drain" 2>/dev/null || :
    systemd-run --quiet --collect --unit="$hk_drain" --description="hostkit: ${hk_last:-a release} ends what it has" \
      /bin/sh -c 'end=$1 filter=$2; shift 2
while [ "$(date +%s)" -lt "$end" ] && [ -n "$(ss -Hnt state established "( $filter )")" ]; do sleep 1; done
systemctl stop "$@"; systemctl reset-failed "$@" 2>/dev/null || :' sh "$hk_end" "$hk_filter" "$@"
    echo "$(ss -Hnt state established "( $hk_filter )" | wc -l) connections are left; ${hk_last:-it} has until $(date -u -d "@$hk_end" '+%F %T') UTC for them"
    return 0
  fi
  if [ "$hk_wait" = 0 ]; then systemctl stop --no-block "$@" 2>/dev/null || :; return 0; fi
  systemctl stop "$@" 2>/dev/null || :
  systemctl reset-failed "$@" 2>/dev/null || :
}

# hk_await_drain SECONDS UNIT...: for a slot that is needed anew: what ran in it is gone, or is ended after so many seconds
hk_await_drain() {
  hk_end=$(($(date +%s) + $1))
  shift
  systemctl is-active -q "$hk_drain" || return 0
  echo "waiting for a former release, which still has connections in the slot that is needed"
  while systemctl is-active -q "$hk_drain" && [ "$(date +%s)" -lt "$hk_end" ]; do sleep 0.5; done
  if systemctl is-active -q "$hk_drain"; then
    systemctl stop "$hk_drain" || :
    systemctl stop "$@" 2>/dev/null || :
  fi
}
