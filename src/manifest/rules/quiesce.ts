import type { Finding } from "../problems.ts";
import { nameOfVolume } from "../sections/backed-up-volumes.ts";
import type { WrittenVolume } from "../sections/backed-up-volumes.ts";
import { complain, complainUnknown, type Rule, type RuleInput, type ServiceEntry } from "./rule.ts";

/** How volumes are copied consistently; that a volume is known at all, `backups.ts` says. */
export const quiesceRules: readonly Rule[] = [
  volumeTwice,
  askedService,
  onlyWhereAsked,
  quiescePassword,
];

type Mapped = Exclude<WrittenVolume, string>;

interface Entry {
  readonly entry: Mapped;
  readonly at: readonly (string | number)[];
  /** Services that mount it. */
  readonly users: readonly ServiceEntry[];
}

/** The entries that say more than a name, of volumes that are there. */
function entriesOf({ written, services }: RuleInput): Entry[] {
  return (written.backups?.files?.volumes ?? []).flatMap((entry, index) => {
    if (typeof entry === "string") return [];
    const users = services.filter((service) => mounts(service, entry.name));
    if (users.length === 0) return [];
    return [{ entry, at: ["backups", "files", "volumes", index], users }];
  });
}

function mounts({ entry }: ServiceEntry, volume: string): boolean {
  return (entry.volumes ?? []).some((one) => one.split(":")[0] === volume);
}

function asksService({ quiesce }: Mapped): boolean {
  return quiesce === "redis" || typeof quiesce === "object";
}

/** Two entries of one volume could say two things. */
function volumeTwice({ written }: RuleInput): Finding[] {
  const volumes = written.backups?.files?.volumes ?? [];
  return volumes.flatMap((entry, index) => {
    const same = (other: WrittenVolume): boolean => nameOfVolume(other) === nameOfVolume(entry);
    const first = volumes.findIndex(same);
    if (first === index || (typeof entry === "string" && typeof volumes[first] === "string"))
      return [];
    const message = `the volume ${nameOfVolume(entry)} is named twice`;
    return [complain(["backups", "files", "volumes", index], message)];
  });
}

/** A command, and Redis' client, run in the container of one service that has the volume. */
function askedService(input: RuleInput): Finding[] {
  return entriesOf(input).flatMap(({ entry, at, users }) => {
    if (!asksService(entry)) return [];
    const names = users.map(({ name }) => name);
    const { service } = entry;
    if (service !== undefined && !names.includes(service)) {
      const message = `no service "${service}" has the volume ${entry.name}`;
      return [complainUnknown([...at, "service"], message, service, names)];
    }
    if (service !== undefined || names.length === 1) return [];
    const message = `several services have the volume ${entry.name}; say whose container is asked: service`;
    return [complain([...at, "quiesce"], message, { allowed: names })];
  });
}

/** Words that nothing would read. */
function onlyWhereAsked(input: RuleInput): Finding[] {
  return entriesOf(input).flatMap(({ entry, at }) => [
    ...(entry.service !== undefined && !asksService(entry)
      ? [complain([...at, "service"], "only redis and a command ask one service", { at: "key" })]
      : []),
    ...(entry.password !== undefined && entry.quiesce !== "redis"
      ? [complain([...at, "password"], "only redis has a password", { at: "key" })]
      : []),
  ]);
}

/** The password is one that the service itself has: it is read in its container. */
function quiescePassword(input: RuleInput): Finding[] {
  return entriesOf(input).flatMap(({ entry, at, users }) => {
    const { password, quiesce, service } = entry;
    if (password === undefined || quiesce !== "redis") return [];
    const asked =
      users.find(({ name }) => name === service) ?? (users.length === 1 ? users[0] : undefined);
    if (asked === undefined || asked.entry.env_file !== undefined) return [];
    const has = [...(asked.entry.secrets ?? []), ...Object.keys(asked.entry.env ?? {})];
    if (has.includes(password)) return [];
    const message = `${asked.name} has neither a secret nor a variable "${password}"`;
    return [complainUnknown([...at, "password"], message, password, has)];
  });
}
