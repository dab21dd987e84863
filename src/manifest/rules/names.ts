import type { Finding } from "../problems.ts";
import { complain, type Rule, type RuleInput, type ServiceEntry, warn } from "./rule.ts";

export const nameRules: readonly Rule[] = [
  reservedStackName,
  sharedServiceName,
  slotName,
  longUserName,
  privilegedUser,
  sharedUser,
];

/** `STACK.target` and `STACK-SERVICE.service` must not be units of systemd or of the distribution. */
const takenNames = new Set(
  (
    "apt basic boot caddy cloud cron cryptsetup dbus default docker e2scrub emergency exit factory-reset final fstrim " +
    "getty graphical halt hibernate hostkit hybrid-sleep initrd kexec kmod logrotate machines man-db multi-user " +
    "network network-online networkd nftables nss-lookup nss-user-lookup paths pgbackrest postgresql poweroff printer " +
    "quotaon reboot remote-fs rescue restic root rpcbind rsyslog serial shutdown sigpwr sleep slices smartcard sockets " +
    "soft-reboot sound ssh sshd storage-target-mode suspend swap sysinit syslog systemd time-set time-sync timers udev " +
    "umount unattended usb-gadget user veritysetup"
  ).split(" "),
);

function reservedStackName({ written }: RuleInput): Finding[] {
  if (!takenNames.has(written.stack)) return [];
  return [
    complain(
      ["stack"],
      `"${written.stack}" is the name of a systemd unit or a system service; choose another`,
    ),
  ];
}

/** Units, users and DNS names of services and web services are made from one set of names. */
function sharedServiceName({ written }: RuleInput): Finding[] {
  return Object.keys(written.web ?? {})
    .filter((name) => Object.hasOwn(written.services ?? {}, name))
    .map((name) =>
      complain(
        ["web", name],
        `"${name}" is also an entry of services; one name, one unit and one user`,
        { at: "key" },
      ),
    );
}

/** A web service `api` has the units STACK-api-a and STACK-api-b, with replicas STACK-api-a2 and so on. */
function slotName({ services }: RuleInput): Finding[] {
  return services.flatMap(({ name, pointer }) => {
    const base = /^(.+)-[ab]\d*$/.exec(name)?.[1];
    const owner = services.find((other) => other.name === base && other.runtime === "container");
    return owner === undefined
      ? []
      : [
          complain(pointer, `"${name}" is what a release of ${owner.pointer.join(".")} is called`, {
            at: "key",
          }),
        ];
  });
}

const longestUserName = 31;

/** useradd takes 32 characters, utmp shows 31. */
function longUserName({ written, services }: RuleInput): Finding[] {
  return services.flatMap(({ name, pointer, entry }) => {
    const user = `${written.stack}-${name}`;
    if (entry.user !== undefined || user.length <= longestUserName) return [];
    const message = `the user name "${user}" would have ${user.length} characters, ${longestUserName} are possible; shorten the name or set user`;
    return [complain(pointer, message, { at: "key" })];
  });
}

function privilegedUser({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) =>
    entry.user === "root" || entry.user === "postgres"
      ? [
          complain(
            [...pointer, "user"],
            `a service never runs as ${entry.user}; leave user out to get one of its own`,
          ),
        ]
      : [],
  );
}

/** The database knows services by their user: two under one user are one to it. */
function sharedUser({ written, services }: RuleInput): Finding[] {
  const userOf = ({ name, entry }: ServiceEntry): string =>
    entry.user ?? `${written.stack}-${name}`;
  return services.flatMap((service, index) => {
    const { user } = service.entry;
    // A name of another service's own user counts, wherever that one stands.
    const other = services.find(
      (each, at) =>
        each !== service &&
        userOf(each) === userOf(service) &&
        (each.entry.user === undefined || at < index),
    );
    if (user === undefined || other === undefined) return [];
    const message = `${other.pointer.join(".")} runs as ${user} too: each can read what the other may read`;
    return [warn([...service.pointer, "user"], message)];
  });
}
