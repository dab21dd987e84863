import { rawScript } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Bound } from "../resource.ts";

/** How long a step that calls apt may take, and for what it waits: slow mirrors, maintainer scripts. */
export const aptBound: Bound = {
  seconds: 7200,
  waitsFor: "apt and the package sources of the host",
};

// All that hostkit says to apt and dpkg. Inside steps: `$HOSTKIT_STACK_DIRECTORY` is set, the working folder is the change's own.

/**
 * Waits for dpkg's lock and says for whom. Options that every call of apt gets are also how `history.log` tells hostkit's calls from
 * those of people (`installed_by_hand`, package-uses.ts).
 */
const waitForApt = String.raw`umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l UCF_FORCE_CONFFOLD=1
ledger=$HOSTKIT_STACK_DIRECTORY/packages
# Steps of one run that call apt do it one after another: they share the ledger.
exec 7>>"$ledger.lock"
flock 7
apt_holder() {
  for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ -e "$f" ] || continue
    inode=$(stat -c %i "$f")
    pid=$(awk -v i=":$inode" 'substr($6, length($6) - length(i) + 1) == i {print $5; exit}' /proc/locks)
    [ -n "$pid" ] && { echo "$pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80))"; return 0; }
  done
  return 1
}
waited=0
while holder=$(apt_holder); do
  [ "$waited" -eq 0 ] && echo "waiting for apt: locked by process $holder"
  if [ "$waited" -ge "${"$"}{HOSTKIT_APT_WAIT:-300}" ]; then
    echo "apt is still locked by process $holder after ${"$"}{waited} s; nothing was changed" >&2
    exit 75
  fi
  sleep 1; waited=$((waited + 1))
done`;

/**
 * `apt_get WORDS`: one call of apt-get. What it said is printed without its progress; where it fails, without that of dpkg too, and the
 * first cause once more at the end, for whoever sees only that. A line for a CD of the installer, which nobody puts in, is not read.
 */
const callApt = String.raw`apt_options="-o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=false"
if grep -qs '^deb.* cdrom:' /etc/apt/sources.list; then
  grep -v '^deb.* cdrom:' /etc/apt/sources.list >sources.list || true
  chmod 0644 sources.list
  apt_options="$apt_options -o Dir::Etc::SourceList=$PWD/sources.list"
fi
plain_words() { tr '\r' '\n' <"$1" | grep -v -e '^(Reading database' -e '^[[:space:]]*$' || true; }
# A package's own script says its cause long before dpkg says that it failed.
without_progress() {
  plain_words "$1" | grep -v -E '^(Selecting previously unselected|Preparing to unpack|Unpacking|Setting up|Get:|Hit:|Ign:|Fetched )' |
    awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i++) if (i <= 150 || i > NR - 15) print line[i]; else if (i == 151) print "…" }'
}
apt_cause() { plain_words "$1" | grep -E -m 3 '^(E: |Err:|dpkg: error|dpkg-deb: error|dpkg: unrecoverable|tar: )|No space left on device|^ (unable|cannot|failed) to |Unmet dependencies| is held back' || true; }
apt_get() {
  if apt-get -y -q $apt_options "$@" >apt.log 2>&1; then
    plain_words apt.log
    return 0
  fi
  without_progress apt.log >&2
  echo "apt's first words about it:" >&2
  apt_cause apt.log >&2
  return 1
}
# What is missing of the lists of a source that nothing needs does not matter: whether it does, the simulation tells.
apt_update() {
  apt-get -y -q $apt_options -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o APT::Get::List-Cleanup=0 update >update.log 2>&1 || true
  if grep -q 'could not be parsed or opened' update.log; then
    echo "apt's lists were cut short earlier: fetching them anew"
    find /var/lib/apt/lists -type f ! -name lock -delete
    rm -f /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin
    apt-get -y -q $apt_options -o Acquire::Languages=none update >update.log 2>&1 || true
  fi
  plain_words update.log | grep -E '^(E|W|Err)[: ]' >update-errors || true
}
warn_of_sources() {
  [ -s update-errors ] || return 0
  echo "warning: these sources of apt could not be read; nothing that is needed comes from them alone:"
  cat update-errors
}`;

/**
 * `repair_dpkg`: puts right what a run that was killed, or a full disk, left: half-installed (H), unpacked (U), half-configured (F),
 * awaiting triggers (W, t), and what dpkg only lets be installed again (R); dpkg-query(1). `dpkg --configure -a` says 0 with
 * the last. Packages that hostkit did not install are never taken away for it.
 */
const repairDpkg = String.raw`broken_packages() { dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{binary:Package}\n' | awk -F'|' 'substr($1, 2, 1) ~ /[HUFWt]/ || substr($1, 3, 1) == "R" {print $2}'; }
forced="--force-confdef --force-confold"
repair_dpkg() {
  # Where dpkg cannot read its list, or finds it empty, nothing looks installed: whatever is there would be taken for hostkit's.
  if ! dpkg-query -W dpkg >/dev/null 2>query.log; then
    cat query.log >&2
    echo "dpkg cannot read its list of packages, /var/lib/dpkg/status; older copies are in /var/backups. No package was changed" >&2
    exit 1
  fi
  [ -n "$(broken_packages)" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || return 0
  echo "dpkg was interrupted earlier: repairing" $(broken_packages)
  dpkg $forced --configure -a >repair.log 2>&1 || true
  [ -n "$(broken_packages)" ] || return 0
  apt_update
  apt-get -y -q $apt_options -f install >>repair.log 2>&1 || true
  again=$(broken_packages)
  [ -z "$again" ] || apt-get -y -q $apt_options --reinstall install $again >>repair.log 2>&1 || true
  # The last resort: what hostkit installed is forgotten, and installed again with everything else.
  for p in $(broken_packages); do
    grep -qxF "${"$"}{p%%:*}" "$ledger" 2>/dev/null || continue
    dpkg --force-remove-reinstreq --force-depends --remove "$p" >>repair.log 2>&1 || true
  done
  apt-get -y -q $apt_options -f install >>repair.log 2>&1 || true
  dpkg $forced --configure -a >>repair.log 2>&1 || true
  still=$(broken_packages)
  [ -n "$still" ] || return 0
  plain_words repair.log | tail -n 15 >&2
  echo "dpkg could not be repaired, these are still half-installed:" $still >&2
  apt_cause repair.log >&2
  exit 1
}`;

/**
 * `write_ledger`: adds what apt is about to install to the stack's ledger, before it is begun. Only what was not there counts.
 * apt says it itself (apt.conf(5), DPkg::Pre-Install-Pkgs): a simulation before would cost a second. `note_before`: what there was before hostkit's first package, so that an uninstall knows.
 */
const writeLedger = String.raw`list_installed() { dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{Package}\n' | awk -F'|' 'substr($1, 2, 1) !~ /[nc]/ {print $2}' | sort -u; }
keep_durably() { sync "$1" "$HOSTKIT_STACK_DIRECTORY" 2>/dev/null || sync; }
# Run by apt when it knows what it will unpack and before dpkg begins; stdin: the .deb files.
write_ledger() {
  list_installed >installed-before
  { cat "$ledger" 2>/dev/null || true; sed 's#.*/##; s/_.*//; s/[.]deb$//' | sort -u | comm -23 - installed-before; } | sort -u >"$ledger.new"
  mv -f "$ledger.new" "$ledger"
  keep_durably "$ledger"
}`;

const keepLedger = String.raw`list_accounts() { { getent passwd | sed 's/^\([^:]*\):.*/user:\1/'; getent group | sed 's/^\([^:]*\):.*/group:\1/'; } | sort -u; }
note_before() {
  before=$HOSTKIT_STACK_DIRECTORY/before
  if [ ! -e "$ledger" ] && [ ! -e "$before/done" ]; then
    mkdir -p "$before"
    dpkg-query -W -f '${"$"}{db:Status-Abbrev}|${"$"}{Package}\n' | sort >"$before/packages"
    find /var/lib /var/spool /var/www /srv /opt /home -mindepth 1 -maxdepth 1 ! -empty 2>/dev/null | sort >"$before/folders"
    : >"$before/done"
    keep_durably "$before/done"
  fi
}
note_accounts() {
  # A run that was cut off has its list still there: what it made counts, too.
  if [ ! -e "$ledger.accounts-before" ]; then
    list_accounts >"$ledger.accounts-new"
    find /etc -xdev -type f | sort >"$ledger.etc-before"
    mv -f "$ledger.accounts-new" "$ledger.accounts-before"
    keep_durably "$ledger.accounts-before"
  fi
}
# After the installation: accounts that came with the packages, and how /etc and the units stand with them.
close_ledger() {
  list_accounts | comm -13 "$ledger.accounts-before" - >accounts-new
  # Of an interrupted run, only those that packages speak of: somebody may have made users meanwhile.
  while IFS=: read -r what name; do
    if [ -e interrupted ] && ! grep -qswF -- "$name" /var/lib/dpkg/info/*.postinst /var/lib/dpkg/info/*.preinst /usr/lib/sysusers.d/*.conf; then continue; fi
    echo "$what:$name"
  done <accounts-new >accounts-made
  { cat "$ledger.accounts" 2>/dev/null || true; cat accounts-made; } | sort -u >"$ledger.accounts-new"
  mv -f "$ledger.accounts-new" "$ledger.accounts"
  if [ -e "$ledger.etc-before" ]; then
    find /etc -xdev -type f | sort | comm -13 "$ledger.etc-before" - | tr '\n' '\0' | xargs -0 -r sha256sum >etc-made 2>/dev/null || true
    { cat "$ledger.etc" 2>/dev/null || true; cat etc-made; } | sort -u >"$ledger.etc-new"
    mv -f "$ledger.etc-new" "$ledger.etc"
  fi
  rm -f "$ledger.accounts-before" "$ledger.etc-before"
  systemctl list-unit-files --no-legend --plain --state=enabled 2>/dev/null | awk '{print $1}' | sort -u >"$ledger.units-new" || true
  mv -f "$ledger.units-new" "$ledger.units"
}
settle_interrupted() { [ ! -e "$ledger.accounts-before" ] || : >interrupted; }`;

/** Everything above: for every step that calls apt. Waits for the lock, repairs what an earlier run left. */
export const aptPrelude: Script = rawScript(
  [
    waitForApt,
    callApt,
    repairDpkg,
    writeLedger,
    keepLedger,
    "settle_interrupted",
    "repair_dpkg",
  ].join("\n"),
);

/**
 * Installs `$@` in one transaction that takes nothing away; the ledger is written before dpkg begins.
 * `$asked`: the names that were asked for; `$apt_install_options`: more options.
 */
export const installScript: Script = rawScript(String.raw`note_before
note_accounts
{ cat "$ledger.asked" 2>/dev/null || true; printf '%s\n' $asked; } | sort -u >"$ledger.asked-new"
mv -f "$ledger.asked-new" "$ledger.asked"
cat >ledger-hook.sh <<'EOF'
set -eu
export LC_ALL=C
HOSTKIT_STACK_DIRECTORY=$1 ledger=$1/packages
cd "$2"
${writeLedger}
write_ledger
EOF
if ! apt_get -o DPkg::Pre-Install-Pkgs::="sh $PWD/ledger-hook.sh $HOSTKIT_STACK_DIRECTORY $PWD" install --no-remove --allow-downgrades $apt_install_options "$@"; then
  if [ -s update-errors ]; then echo "and these sources could not be read:" >&2; head -n 10 update-errors >&2; fi
  exit 1
fi
warn_of_sources
close_ledger`);
