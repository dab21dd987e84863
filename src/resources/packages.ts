import { need } from "../facts/fact.ts";
import type { FactNeed } from "../facts/fact.ts";
import { packageFacts } from "../facts/package.ts";
import { rawScript, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Resource, ResourceKind } from "./resource.ts";

/**
 * All packages of a stack from the distribution: one apt transaction.
 * There is one such resource, `packages:apt`; sections name what they need, `stack/` collects.
 */
export interface PackagesResource extends Resource {
  readonly kind: "packages";
  readonly name: "apt";
  /** Sorted, unique. */
  readonly packages: readonly string[];
  /** Of these, what holds the user's data: removed only with `--delete-data`, and then purged. */
  readonly dataPackages: readonly string[];
  /**
   * By package: the unit it would start as it is installed. It is kept from that where the first start comes later in the run,
   * with the configuration that is then in place.
   */
  readonly startsLater?: Readonly<Record<string, string>>;
  /** `name=version` pins. */
  readonly pins: Readonly<Record<string, string>>;
}

/** Waits for dpkg's lock and says for whom; repairs an interrupted dpkg; shared by every step that calls apt. */
export const aptPrelude = rawScript(`umask 022
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l UCF_FORCE_CONFFOLD=1
apt_holder() {
  for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ -e "$f" ] || continue
    inode=$(stat -c %i "$f")
    pid=$(awk -v i=":$inode" 'substr($6, length($6) - length(i) + 1) == i {print $5; exit}' /proc/locks)
    [ -n "$pid" ] && { echo "$pid ($(tr '\\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80))"; return 0; }
  done
  return 1
}
waited=0
while holder=$(apt_holder); do
  [ "$waited" -eq 0 ] && echo "waiting for apt: locked by process $holder"
  if [ "$waited" -ge "\${HOSTKIT_APT_WAIT:-300}" ]; then
    echo "apt is still locked by process $holder after \${waited} s; nothing was changed" >&2
    exit 75
  fi
  sleep 1; waited=$((waited + 1))
done
if [ -n "$(dpkg --audit 2>&1)" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
  echo "dpkg was interrupted earlier: repairing with dpkg --configure -a"
  # Fails where a package was unpacked whose dependencies never came: apt then fetches those.
  dpkg --force-confdef --force-confold --configure -a || {
    apt-get -q update
    apt-get -y -q -f -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install
  }
fi
apt_get() {
  apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=false "$@"
}`);

/** `user:NAME` and `group:NAME` lines: packages make accounts that their purge leaves behind. */
const listAccounts = rawScript(
  `{ getent passwd | sed 's/^\\([^:]*\\):.*/user:\\1/'; getent group | sed 's/^\\([^:]*\\):.*/group:\\1/'; } | LC_ALL=C sort -u`,
);

/** Enabled units whose file is gone. */
const listDangling = rawScript("find /etc/systemd/system -xtype l | LC_ALL=C sort");

/** Until the script ends. Such a mask is gone after a reboot; one that a killed run leaves is taken away at the unit's start. */
function holdScript(units: readonly string[]): Script {
  return sh`trap ${`systemctl unmask --runtime -q ${units.join(" ")}`} EXIT
systemctl mask --runtime -q ${units}`;
}

export const packagesKind: ResourceKind<PackagesResource> = {
  kind: "packages",
  needs: (resource): FactNeed[] => resource.packages.map((name) => need(packageFacts, name)),

  diff(resource, facts, context): Change | undefined {
    const missing = resource.packages.filter(
      (name) => facts.get(packageFacts, name)?.status !== "ii",
    );
    const repinned = Object.entries(resource.pins).filter(([name, version]) => {
      const fact = facts.get(packageFacts, name);
      return fact?.status === "ii" && fact.version !== version;
    });
    if (missing.length === 0 && repinned.length === 0) return undefined;
    const words = [
      ...missing.map((name) =>
        resource.pins[name] === undefined ? name : `${name}=${resource.pins[name]}`,
      ),
      ...repinned.map(([name, version]) => `${name}=${version}`),
    ];
    const ledger = `${context.stackDirectory}/packages`;
    const held = missing.flatMap((name) => resource.startsLater?.[name] ?? []);
    return {
      id: idOf(resource),
      action: "create",
      because: [
        ...(missing.length === 0 ? [] : [`not installed: ${missing.join(", ")}`]),
        ...repinned.map(([name, version]) => `${name} should be version ${version}`),
      ].join("; "),
      steps: [
        {
          type: "script",
          title: `install ${words.join(" ")}`,
          bound: { seconds: 7200, waitsFor: "apt and the package sources of the host" },
          script: sh`${aptPrelude}
dpkg-query -W -f ${"${Package} ${db:Status-Abbrev}\\n"} | awk ${'$2=="ii" {print $1}'} | sort -u >before
${listAccounts} >accounts-before
# Nobody reads translated descriptions here: a third of what the lists weigh. Those that are there stay.
apt_get -o Acquire::Languages=none -o APT::Get::List-Cleanup=0 update
${held.length === 0 ? sh`` : holdScript(held)}
apt_get install --no-remove --allow-downgrades ${words}
dpkg-query -W -f ${"${Package} ${db:Status-Abbrev}\\n"} | awk ${'$2=="ii" {print $1}'} | sort -u >installed
comm -13 before installed >>${ledger}
sort -u -o ${ledger} ${ledger}
${listAccounts} >accounts-after
comm -13 accounts-before accounts-after >>${`${ledger}.accounts`}`,
        },
      ],
    };
  },

  own: (resource) => ({ kind: "packages", name: "apt", dataPackages: resource.dataPackages }),
  removalNeeds: () => [],

  /** Only what hostkit installed (the ledger) goes; with data kept, so do the packages that hold it. */
  remove(owned, _facts, context): Change {
    const ledger = `${context.stackDirectory}/packages`;
    const dataPackages = (owned["dataPackages"] as readonly string[] | undefined) ?? [];
    const keep = context.deleteData ? [] : dataPackages;
    return removeByScript(
      owned,
      "remove packages that hostkit installed",
      sh`[ -s ${ledger} ] || exit 0
${aptPrelude}
dpkg-query -W -f ${"${Package} ${db:Status-Abbrev}\\n"} | awk ${'$2!="un" {print $1}'} | sort -u >now
comm -12 ${ledger} now >remove
for p in ${keep}; do
  apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$p" | awk ${"/^[a-z0-9]/ {print $1}"}
done | sort -u >keep
${listDangling} >dangling-before
cp -a /etc etc-before
comm -23 remove keep | xargs -r sh -c ${'apt-get -y -q -o DPkg::Lock::Timeout=600 purge "$@"'} sh
${listDangling} | comm -13 dangling-before - | xargs -r -d ${"\\n"} rm -f
# A purge may take what was there before its package came (locales: /etc/default/locale).
while IFS= read -r f; do
  if [ ! -e "$f" ] && [ ! -L "$f" ]; then cp -a "etc-before\${f#/etc}" "$f" 2>/dev/null || true; fi
done <${`${context.stackDirectory}/etc-files`}
rm -rf etc-before
# The daemon of Debian 12 makes itself a key here that its purge leaves behind.
if ! command -v dockerd >/dev/null; then rm -f /etc/docker/key.json; rmdir /etc/docker 2>/dev/null || true; fi
comm -12 remove keep >kept
if [ -s kept ]; then cp kept ${ledger}; exit 0; fi
touch ${`${ledger}.accounts`}
# Users first: a group that is somebody's primary one cannot go.
sort -ru ${`${ledger}.accounts`} | while IFS=: read -r what name; do
  case $what in
    user) if getent passwd "$name" >/dev/null; then userdel "$name"; fi ;;
    group) if getent group "$name" >/dev/null; then groupdel "$name"; fi ;;
  esac
done
rm -f ${ledger} ${`${ledger}.accounts`}`,
      "installed by hostkit",
    );
  },
};
