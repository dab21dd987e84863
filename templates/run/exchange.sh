# The replicas of a stateful service are exchanged one at a time; docs/decisions/0041-one-replica-at-a-time.md tells why. While replica N is
# stopped in one slot and not yet well in the other, the mark $hk_exchange.N is there, and Caddy sends to all other replicas: those before N
# in slot b, those after N in slot a. So slot b is gone to upwards and slot a downwards, and from each mark both ways are open.
# The marks are in /run: after a boot, when every replica of the release that serves is started, there are none.
#
# hk_exchange is the path of a service's marks without their number; hk_units_a, hk_units_b, hk_addresses_a and hk_addresses_b have one
# word a replica. Wants wait_healthy and `grace`, and sets `units` and `deadline`.

# hk_exchange_state: the number of the replica that is being exchanged; nothing where none is
hk_exchange_state() {
  for hk_file in "$hk_exchange".[0-9]; do
    [ ! -f "$hk_file" ] || { printf '%s\n' "${hk_file##*.}"; return 0; }
  done
}

# hk_exchange_end: the marks of the release that serves say alone again where the traffic goes
hk_exchange_end() { rm -f -- "$hk_exchange".[0-9] "$hk_exchange.new"; }

# hk_withhold N: no request goes to replica N of either slot; there is one mark at every moment
hk_withhold() {
  mkdir -p "${hk_exchange%/*}" && chmod 0755 "${hk_exchange%/*/*}" "${hk_exchange%/*}" || return 1
  hk_state=$(hk_exchange_state)
  [ "$hk_state" != "$1" ] || return 0
  if [ -z "$hk_state" ]; then : >"$hk_exchange.new" && chmod 0644 "$hk_exchange.new" && hk_state=new || return 1; fi
  mv -f -- "$hk_exchange.$hk_state" "$hk_exchange.$1" || return 1
  if hk_reads_switch && ! hk_sees_switch "$hk_exchange.$1"; then
    echo "caddy's user cannot see $hk_exchange.$1: somebody changed the folders on the way to it" >&2
    return 1
  fi
}

# hk_nth N WORD...
hk_nth() { shift "$1"; printf '%s\n' "$1"; }

# hk_exchange_replicas SLOT SECONDS: every replica runs in SLOT, and none in the other; each has SECONDS for what it still has
hk_exchange_replicas() {
  if [ "$1" = b ]; then
    hk_from_units=$hk_units_a hk_from=$hk_addresses_a hk_to_units=$hk_units_b hk_numbers=$(seq "$(hk_exchange_first 1)" "$hk_replicas")
  else
    hk_from_units=$hk_units_b hk_from=$hk_addresses_b hk_to_units=$hk_units_a hk_numbers=$(seq "$(hk_exchange_first "$hk_replicas")" -1 1)
  fi
  for hk_number in $hk_numbers; do
    hk_withhold "$hk_number" || return 1
    hk_port=$(hk_nth "$hk_number" $hk_from)
    hk_end=$(($(date +%s) + $2))
    # What Caddy was about to send arrives.
    sleep 0.3
    while [ "$(date +%s)" -lt "$hk_end" ] && [ -n "$(ss -Hnt state established "( dport = :${hk_port##*:} )")" ]; do sleep 0.2; done
    systemctl stop "$(hk_nth "$hk_number" $hk_from_units)" 2>/dev/null || :
    units=$(hk_nth "$hk_number" $hk_to_units)
    deadline=$(($(date +%s) + grace))
    systemctl start --no-block "$units"
    wait_healthy || return 1
  done
}

# hk_exchange_first NUMBER: where to begin: at the replica that is being exchanged, else at this one
hk_exchange_first() {
  hk_state=$(hk_exchange_state)
  printf '%s\n' "${hk_state:-$1}"
}

# hk_exchange_back SLOT: where replicas are being exchanged, all of them run in SLOT again
hk_exchange_back() {
  [ -n "$(hk_exchange_state)" ] || return 0
  echo "starting the former replicas again, one at a time" >&2
  hk_exchange_replicas "$1" 0
}
