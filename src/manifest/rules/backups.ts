import { formatPointer } from "../problems.ts";
import type { Finding } from "../problems.ts";
import { nameOfVolume } from "../sections/backed-up-volumes.ts";
import { secretsOf } from "../secrets.ts";
import { appendOnlyIn, hostFolderOf } from "../sections/repositories.ts";
import { quiesceRules } from "./quiesce.ts";
import { complain, complainUnknown, type Rule, type RuleInput, warn } from "./rule.ts";

export const backupRules: readonly Rule[] = [
  noRepository,
  nothingToBackUp,
  postgresWithoutDatabase,
  unknownRepository,
  unknownVolume,
  backsUpItself,
  keyOnlyOnHost,
  keeperWithoutPassphrase,
  keeperOnHost,
  verifyWhere,
  ...quiesceRules,
];

function noRepository({ written, declared }: RuleInput): Finding[] {
  if (written.backups === undefined || declared.repositories.size > 0) return [];
  return [complain(["backups", "repositories"], "name at least one repository", { at: "key" })];
}

function nothingToBackUp({ written }: RuleInput): Finding[] {
  const { backups } = written;
  if (backups === undefined) return [];
  if (backups.postgres === undefined && backups.files === undefined) {
    const extra = { at: "key" as const, allowed: ["postgres", "files"] };
    return [complain(["backups"], "nothing says what is backed up", extra)];
  }
  const { files } = backups;
  if (files === undefined || (files.paths ?? []).length + (files.volumes ?? []).length > 0)
    return [];
  return [complain(["backups", "files"], "name paths or volumes", { at: "key" })];
}

function postgresWithoutDatabase({ written }: RuleInput): Finding[] {
  if (written.backups?.postgres === undefined || written.database !== undefined) return [];
  return [
    complain(["backups", "postgres"], "there is no database section", {
      at: "key",
      isAbsence: true,
    }),
  ];
}

function unknownRepository({ written, declared }: RuleInput): Finding[] {
  return (["postgres", "files"] as const).flatMap((part) =>
    (written.backups?.[part]?.repositories ?? []).flatMap((name, index) =>
      declared.repositories.has(name)
        ? []
        : [
            complainUnknown(
              ["backups", part, "repositories", index],
              `no repository "${name}"`,
              name,
              declared.repositories,
            ),
          ],
    ),
  );
}

function unknownVolume({ written, declared }: RuleInput): Finding[] {
  const known = [...declared.volumes];
  return (written.backups?.files?.volumes ?? []).flatMap((entry, index) => {
    const name = nameOfVolume(entry);
    if (known.includes(name)) return [];
    const at = ["backups", "files", "volumes", index];
    return [
      complainUnknown(
        typeof entry === "string" ? at : [...at, "name"],
        `no service has a volume "${name}"`,
        name,
        known,
      ),
    ];
  });
}

function backsUpItself({ written }: RuleInput): Finding[] {
  const slash = (path: string) => `${path.replace(/\/+$/, "")}/`;
  const repositories = Object.entries(written.backups?.repositories ?? {}).flatMap(
    ([name, entry]) => {
      const folder = hostFolderOf(entry);
      return folder === undefined ? [] : [{ name, path: slash(folder) }];
    },
  );
  return (written.backups?.files?.paths ?? []).flatMap((path, index) => {
    const inside = repositories.find((repository) => repository.path.startsWith(slash(path)));
    if (inside === undefined) return [];
    const message = `contains the repository ${inside.name}: each backup would hold the ones before`;
    return [complain(["backups", "files", "paths", index], message)];
  });
}

/** A remote backup whose only key died with the host is lost. */
function keyOnlyOnHost({ written }: RuleInput): Finding[] {
  return Object.entries(written.backups?.repositories ?? {}).flatMap(([name, entry]) => {
    if (hostFolderOf(entry) !== undefined || entry.passphrase !== undefined) return [];
    const message =
      "without passphrase the key is made on the host and lost with it; name a secret, or keep a copy: hostkit backup key export";
    return [warn(["backups", "repositories", name], message, { at: "key" })];
  });
}

/** Whoever removes old backups from this machine has to open the repository here. */
function keeperWithoutPassphrase({ written }: RuleInput): Finding[] {
  return Object.entries(written.backups?.repositories ?? {}).flatMap(([name, entry]) => {
    const given = appendOnlyIn(entry);
    if (typeof given !== "object" || entry.passphrase !== undefined) return [];
    const message =
      "hostkit backup expire opens the repository on this machine, and a key that is made on the host is not here: name a secret as passphrase";
    return [complain(["backups", "repositories", name, "append_only"], message, { at: "key" })];
  });
}

/** What a host has, whoever takes the host over has too. */
function keeperOnHost({ written }: RuleInput): Finding[] {
  const uses = secretsOf(written);
  return uses.flatMap((use) => {
    if (use.purpose !== "keeper") return [];
    const other = uses.find((one) => one.purpose !== "keeper" && valueOf(one) === valueOf(use));
    if (other === undefined) return [];
    const message = `a host gets it by ${formatPointer(other.pointer)}: whoever takes the host over could remove the backups with it`;
    return [complain(use.pointer, message)];
  });
}

function valueOf(use: ReturnType<typeof secretsOf>[number]): string {
  return "name" in use ? `name ${use.name}` : `path ${use.path}`;
}

/** A query is asked of a database that is backed up. */
function verifyWhere({ written, declared }: RuleInput): Finding[] {
  const { verify = [], postgres } = written.backups ?? {};
  if (verify.length === 0) return [];
  if (postgres === undefined) {
    const message = "nothing backs up PostgreSQL, so that there is no database to ask";
    return [complain(["backups", "verify"], message, { at: "key", isAbsence: true })];
  }
  return verify.flatMap((one, index) => {
    const pointer = ["backups", "verify", index];
    if (typeof one !== "string") {
      const { database } = one;
      return declared.databases.has(database)
        ? []
        : [
            complainUnknown(
              [...pointer, "database"],
              `no database "${database}"`,
              database,
              declared.databases,
            ),
          ];
    }
    if (declared.databases.size === 1) return [];
    return [complain(pointer, "say which database is asked: {database: NAME, query: …}")];
  });
}
