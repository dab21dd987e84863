import { quoteWord } from "../shell/quote.ts";

/** Everything the supervisor of one host must know; all of it is fixed when the host is made. */
export interface SupervisorSettings {
  readonly name: string;
  readonly machine: string;
  readonly folder: string;
  readonly base: string;
  readonly netns: string;
  readonly veth: string;
  readonly bridge: string;
  readonly mtu: number;
  readonly mac: string;
  readonly address: string;
  readonly gateway: string;
  readonly address6: string;
  readonly gateway6: string | undefined;
  /** The host's own cgroup v2 folder; undefined when systemd started the supervisor in a delegated unit. */
  readonly cgroup: string | undefined;
}

/**
 * The shell program that keeps one lab host running; it outlives the process that started it.
 * A `reboot` inside ends systemd-nspawn with 133: then the host starts again in a fresh network namespace, because
 * Docker's bridges and the rules of the last boot would survive in the old one. Any other end is a power-off.
 * The disk is mounted in a private mount namespace, so it is gone with the last process of the host.
 */
export function renderSupervisor(settings: SupervisorSettings): string {
  const values = {
    NAME: settings.name,
    MACHINE: settings.machine,
    FOLDER: settings.folder,
    BASE: settings.base,
    NETNS: settings.netns,
    VETH: settings.veth,
    BRIDGE: settings.bridge,
    MTU: String(settings.mtu),
    MAC: settings.mac,
    ADDRESS: settings.address,
    GATEWAY: settings.gateway,
    ADDRESS6: settings.address6,
    GATEWAY6: settings.gateway6 ?? "",
    CGROUP: settings.cgroup ?? "",
  };
  const assignments = Object.entries(values).map(([key, value]) => `${key}=${quoteWord(value)}`);
  return `#!/bin/sh\n# Made by hostkit: supervises the lab host ${settings.name}.\nset -u\n${assignments.join("\n")}\n${program}`;
}

const program = `PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH FOLDER BASE CGROUP NETNS MACHINE NAME
[ -e "$FOLDER/host.json" ] || exit 1
exec </dev/null >>"$FOLDER/console.log" 2>&1

tree=/sys/fs/cgroup
[ -e "$tree/cgroup.procs" ] && [ -e "$tree/cgroup.subtree_control" ] || tree=/sys/fs/cgroup/unified
[ -n "$CGROUP" ] || CGROUP=$tree$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$CGROUP/supervisor"
echo $$ > "$CGROUP/supervisor/cgroup.procs"
for controller in $(cat "$CGROUP/cgroup.controllers"); do
  echo "+$controller" > "$CGROUP/cgroup.subtree_control"
done 2>/dev/null
echo "$CGROUP" > "$FOLDER/cgroup"

network_down() {
  ip link delete "$VETH" 2>/dev/null
  ip netns delete "$NETNS" 2>/dev/null
  find "$CGROUP/machine" -depth -type d -exec rmdir {} + 2>/dev/null
}

network_up() {
  ip netns add "$NETNS" &&
  ip link add "$VETH" mtu "$MTU" type veth peer name host0 mtu "$MTU" address "$MAC" netns "$NETNS" &&
  ip link set "$VETH" master "$BRIDGE" up &&
  ip -n "$NETNS" link set lo up &&
  ip -n "$NETNS" address add "$ADDRESS/24" dev host0 &&
  ip -n "$NETNS" link set host0 up &&
  ip -n "$NETNS" route add default via "$GATEWAY" || return 1
  # A new namespace copies this machine's value, and this machine forwards; a bare Debian does not.
  ip netns exec "$NETNS" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
  ip -n "$NETNS" -6 address add "$ADDRESS6/64" dev host0 nodad
  [ -z "$GATEWAY6" ] || ip -n "$NETNS" -6 route add default via "$GATEWAY6"
}

boot='
  mkdir -p "$CGROUP/machine" && echo $$ > "$CGROUP/machine/cgroup.procs"
  # volatile: the disk is thrown away anyway, so nothing waits for fsync; its marker would refuse the next mount.
  rm -rf "$FOLDER/work"/work
  mount -t overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/work,volatile" lab "$FOLDER/root" || exit 1
  # systemd-nspawn leaves this file behind when it is killed.
  stat -c "/run/systemd/nspawn/locks/inode-%d:%i" "$FOLDER/root" > "$FOLDER/nspawn-lock"
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  exec systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$FOLDER/root" \\
    --network-namespace-path="/run/netns/$NETNS" --machine="$MACHINE" --hostname="$NAME" \\
    --capability=all --system-call-filter="@keyring bpf perf_event_open pidfd_getfd" \\
    --resolv-conf=off --timezone=off --link-journal=no --console=read-only \\
    --bind="$FOLDER/volumes/docker:/var/lib/docker" --bind="$FOLDER/volumes/containerd:/var/lib/containerd"
'

while :; do
  network_down
  network_up || break
  unshare --mount --propagation slave sh -c "$boot"
  code=$?
  echo "$(date -u +%FT%TZ) $NAME ended with $code"
  [ "$code" = 133 ] || break
done
network_down
`;
