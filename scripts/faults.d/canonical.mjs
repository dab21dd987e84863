// What a host is, without what differs between any two: run ids, times, random keys, numbers of users.

/** One line a thing; runs as root on the host. */
const script = String.raw`set -u
export LC_ALL=C
section() { echo "## $1"; }
section files
{ find /etc /usr/local /opt -xdev -printf '%p\t%y %m %u %g %l\n'
  find /var/lib/hostkit -xdev \( -path '/var/lib/hostkit/*/runs' -o -path '/var/lib/hostkit/*/releases/*' \) -prune -o -printf '%p\t%y %m %u %g %l\n'; } 2>/dev/null | sort
section content
{ find /etc /usr/local /opt -xdev -type f
  find /var/lib/hostkit -xdev \( -path '/var/lib/hostkit/*/runs' -o -path '/var/lib/hostkit/*/releases/*' \) -prune -o -type f -print; } 2>/dev/null | sort | while IFS= read -r f; do
  case $f in
    */state.jsonl) while IFS= read -r line; do echo "state $line"; done <"$f" ;;
    # Its further lines are what the kernel would not take; interfaces come and go.
    */hostkit/sysctl.stamp) echo "$(head -n 1 "$f") $f" ;;
    */unfinished) echo "$f $(grep -c '^due' "$f")" ;;
    */packages|*/packages.accounts|*/packages.etc|*/directories) sort -u "$f" | while IFS= read -r line; do echo "$f $line"; done ;;
    *) echo "$(sha256sum <"$f" | cut -c1-16) $f" ;;
  esac
done
section releases
for f in /var/lib/hostkit/*/releases/*/*.jsonl; do
  [ -e "$f" ] || continue
  state=$(sed -n 's/^{"state":"\([a-z]*\)".*/\1/p' "$f" | tail -n 1)
  # What was tried and interrupted is remembered, and nothing hangs on it.
  [ "$state" != failed ] || continue
  echo "$state $(sed -n '1s/,"binds".*//p' "$f")"
  grep '"sha256"' "$f" | sort
done
section units
systemctl list-unit-files --no-legend --no-pager --type=service,timer,socket,target,mount,swap | awk '{print $1, $2}' | sort
systemctl list-units --state=active,activating,failed --plain --no-legend --no-pager --type=service,timer,socket,target | awk '{print $1, $2, $3}' | sort
systemctl list-units --state=failed --plain --no-legend | awk '{print "failed", $1}'
for u in $(systemctl list-units --all --plain --no-legend 'shop*' 'hostkit*' | awk '{print $1}'); do
  echo "$u reload-needed $(systemctl show -p NeedDaemonReload --value "$u")"
done
section started-after-its-files
after() { [ "$(date -d "$(systemctl show -p ActiveEnterTimestamp --value "$1")" +%s 2>/dev/null || echo 0)" -ge "$(stat -c %Y "$2" 2>/dev/null || echo 0)" ] && echo "$1 $2 yes" || echo "$1 $2 no"; }
[ ! -e /etc/systemd/journald.conf.d/60-hostkit.conf ] || after systemd-journald.service /etc/systemd/journald.conf.d/60-hostkit.conf
for f in /etc/systemd/system/shop-*.service; do [ ! -e "$f" ] || systemctl is-active -q "$(basename "$f")" && after "$(basename "$f")" "$f"; done
section timers
systemctl list-timers --all --plain --no-legend | grep -o '[^ ]*hostkit[^ ]*\|shop[^ ]*timer' | sort -u
section packages
dpkg -l | awk '$1 ~ /^[a-z][a-zA-Z]$/ {print $1, $2, $3}'
section users
getent passwd | awk -F: '{print $1, $6, $7}' | sort
getent group | awk -F: '{n=split($4,m,","); for(i=1;i<=n;i++) print $1, m[i]; print $1}' | sort -u
section database
if command -v psql >/dev/null && systemctl is-active -q 'postgresql@*-main.service'; then
  ask() { runuser -u postgres -- psql -X -A -t "$@" </dev/null 2>&1; }
  ask -c "select rolname, rolsuper, rolcanlogin, rolcreatedb, rolconnlimit, rolvaliduntil from pg_roles order by 1"
  ask -c "select datname, pg_get_userbyid(datdba), datacl from pg_database order by 1"
  ask -c "select name, setting from pg_settings where source = 'configuration file' order by 1"
  ask -c "select roleid::regrole, member::regrole from pg_auth_members order by 1, 2"
  for d in $(ask -c "select datname from pg_database where not datistemplate and datname <> 'postgres'"); do
    runuser -u postgres -- pg_dump --schema-only "$d" | grep -v '^--\|^$\|restrict'
    for t in $(ask -d "$d" -c "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^pg_|information'"); do
      echo "$t $(ask -d "$d" -c "select count(*) from $t")"
    done
  done
fi
section rules
if command -v nft >/dev/null; then nft list tables | sort; nft -s list table inet hostkit; fi 2>/dev/null
section sshd
sshd -T 2>/dev/null | sort
section containers
if command -v docker >/dev/null && systemctl is-active -q docker; then
  docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
  docker ps -a --no-trunc --format '{{.Names}} {{.Image}} {{.State}}' | sort
  docker volume ls -q | sort
  docker network ls --format '{{.Name}} {{.Driver}}' | sort
fi
section ledgers
ls /var/lib/hostkit /var/lib/hostkit/shop 2>/dev/null
section disturbed
ls /etc/systemd/system/*.hostkit-* /etc/*/*.hostkit-* /var/lib/hostkit/guards 2>/dev/null
exit 0
`;

/** Lines that differ between hosts on which nothing was interrupted, by section. */
const comesAndGoes =
  /\/adjtime|\/\.updated|\/ld\.so\.cache|\.pwd\.lock|\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-|\/lock(\.holder)?(\t|$)|\/etc\/ssl\/certs\/[0-9a-f]{8}\.0|\/backups\/[^/]*\/[^/]*\.json/;
/** Restore points: a second run that still changes the database makes one, a single one does not. */
const restorePoints =
  /^(\/var\/lib\/hostkit\/shop\/restore(\/points(\.lock)?)?\t|restore$)|\/restore\/points(\.lock)?$/;
const noise = {
  files: [comesAndGoes, restorePoints],
  ledgers: [restorePoints],
  content: [
    comesAndGoes,
    restorePoints,
    // Made at random on each host, or by whichever program came first.
    /\/ssh_host_|\/machine-id|\/resolv\.conf|ssl-cert-snakeoil|secret\.key$|\/etc\/docker\/key\.json|\/hostname$|\/etc\/hosts$/,
    /\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)$/,
    // Accounts of the stack's own that were made while apt ran.
    /\/packages\.accounts (user|group):shop-/,
    // A new password.
    /\/backup\/[^/]*\.password$|passphrase|pgbackrest\/conf\.d|restic.*password/,
    // A stamp that holds more than a hash.
    /\/stamps\/(backup-|program-time)/,
  ],
  units: [
    // What timers and sockets of the distribution did meanwhile, and what a boot did.
    /^(apt-|dpkg-|e2scrub|fstrim|man-db|logrotate|systemd-|user@|user-runtime|session-|getty|run-|modprobe@|dbus|sys-|dev-|aidecheck|dailyaide|update-|motd)/,
    /^(emergency|rescue|initrd|first-boot|network-pre|time-|nss-|sleep|hibernate|suspend)/,
    /^hostkit-run-/,
  ],
};

/** @returns lines, with their section in front */
export function canonical(text) {
  let section = "";
  const lines = [];
  const owned = new Map();
  for (const line of text.split("\n")) {
    if (line.startsWith("## ")) section = line.slice(3);
    else if (line.startsWith("state {")) {
      // The last line of an id counts.
      const { kind, name, gone, ...rest } = JSON.parse(line.slice("state ".length));
      if (gone === true) owned.delete(`${kind}:${name}`);
      else owned.set(`${kind}:${name}`, JSON.stringify(rest));
    } else if (line !== "" && !noise[section]?.some((pattern) => pattern.test(line)))
      lines.push(`${section}: ${line}`);
  }
  return [...lines, ...Array.from(owned, ([id, rest]) => `owned: ${id} ${rest}`).toSorted()];
}

export const canonicalScript = script;

/** What is in one of them only, `-` the first's and `+` the second's. */
export function compare(wanted, found) {
  const [left, right] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((line) => !right.has(line)).map((line) => `- ${line}`),
    ...found.filter((line) => !left.has(line)).map((line) => `+ ${line}`),
  ];
}
