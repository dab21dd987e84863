import { distributions } from "../../distributions.ts";
import type { Finding, Pointer } from "../problems.ts";
import { ownerOf } from "../sections/database.ts";
import { normalizeAccess } from "../sections/normalize-services.ts";
import { complain, complainUnknown, type Rule, type RuleInput, warn } from "./rule.ts";

export const databaseRules: readonly Rule[] = [
  knownVersion,
  reservedDatabaseNames,
  ownSettings,
  grantDatabase,
  grantPrivileges,
  serviceDatabase,
  serviceRole,
  serviceLogin,
];

/** apt.postgresql.org has others (docs/database.md). */
const distributionVersions = [...new Set(distributions.map(({ postgresql }) => postgresql))].sort(
  (left, right) => left - right,
);

function knownVersion({ written }: RuleInput): Finding[] {
  const version = Number(written.database?.version);
  if (!Number.isInteger(version) || distributionVersions.includes(version)) return [];
  const message = `no distribution that hostkit knows brings PostgreSQL ${version}: the host needs an apt source that has it`;
  return [
    warn(["database", "version"], message, {
      allowed: ["distro", ...distributionVersions.map(String)],
    }),
  ];
}

function reservedDatabaseNames({ written }: RuleInput): Finding[] {
  const findings: Finding[] = [];
  const database = written.database;
  for (const [name, entry] of Object.entries(database?.databases ?? {})) {
    if (name === "postgres" || name === "template0" || name === "template1") {
      findings.push(
        complain(["database", "databases", name], `"${name}" belongs to PostgreSQL itself`, {
          at: "key",
        }),
      );
    }
    if (entry?.owner !== undefined && isReservedRole(entry.owner)) {
      const message = `"${entry.owner}" is a role of PostgreSQL itself; an owner of its own keeps the superuser out`;
      findings.push(complain(["database", "databases", name, "owner"], message));
    }
  }
  for (const name of Object.keys(database?.roles ?? {})) {
    if (!isReservedRole(name)) continue;
    findings.push(
      complain(["database", "roles", name], `"${name}" is a role of PostgreSQL itself`, {
        at: "key",
      }),
    );
  }
  return findings;
}

function isReservedRole(name: string): boolean {
  return (
    name === "postgres" ||
    name.startsWith("pg_") ||
    ["public", "none", "current_user", "session_user"].includes(name)
  );
}

/** hostkit's own files, socket and WAL archive hang on these. */
const ownedSettings = new Set([
  "archive_command",
  "archive_library",
  "archive_mode",
  "cluster_name",
  "config_file",
  "data_directory",
  "external_pid_file",
  "hba_file",
  "ident_file",
  "listen_addresses",
  "port",
  "unix_socket_directories",
]);

function ownSettings({ written }: RuleInput): Finding[] {
  return Object.keys(written.database?.settings ?? {})
    .filter((name) => ownedSettings.has(name))
    .map((name) =>
      complain(["database", "settings", name], "hostkit sets this one itself", { at: "key" }),
    );
}

type GrantVisit = (
  grant: NonNullable<
    NonNullable<NonNullable<RuleInput["written"]["database"]>["roles"]>[string]
  >["grants"] extends readonly (infer Grant)[] | undefined
    ? Grant
    : never,
  pointer: Pointer,
) => Finding[];

function eachGrant({ written }: RuleInput, visit: GrantVisit): Finding[] {
  return Object.entries(written.database?.roles ?? {}).flatMap(([role, entry]) =>
    (entry?.grants ?? []).flatMap((grant, index) =>
      visit(grant, ["database", "roles", role, "grants", index]),
    ),
  );
}

function grantDatabase(input: RuleInput): Finding[] {
  const { databases } = input.declared;
  return eachGrant(input, (grant, pointer) => {
    if (grant.database !== undefined && !databases.has(grant.database)) {
      return [
        complainUnknown(
          [...pointer, "database"],
          `no database "${grant.database}"`,
          grant.database,
          databases,
        ),
      ];
    }
    if (grant.database !== undefined || databases.size === 1) return [];
    return databases.size === 0
      ? [complain(pointer, "a grant needs a database, and database.databases has none")]
      : [
          complain(pointer, "say which database: there are several", {
            allowed: [...databases].sort(),
          }),
        ];
  });
}

/** https://www.postgresql.org/docs/current/ddl-priv.html, table "Summary of Access Privileges". */
const privilegesOf: Record<string, readonly string[]> = {
  tables: ["delete", "insert", "maintain", "references", "select", "trigger", "truncate", "update"],
  "all sequences": ["select", "update", "usage"],
  "all functions": ["execute"],
  schema: ["create", "usage"],
  database: ["connect", "create", "temporary"],
};

function grantPrivileges(input: RuleInput): Finding[] {
  return eachGrant(input, (grant, pointer) => {
    const kind = Array.isArray(grant.on) || grant.on === "all tables" ? "tables" : grant.on;
    const allowed = ["all", ...(privilegesOf[kind] ?? [])];
    return grant.privileges.flatMap((privilege, index) =>
      allowed.includes(privilege)
        ? []
        : [
            complain([...pointer, "privileges", index], `${privilege} does not exist for ${kind}`, {
              allowed,
            }),
          ],
    );
  });
}

function serviceDatabase({ written, services, declared }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    if (entry.database === undefined) return [];
    const at = [...pointer, "database"];
    if (written.database === undefined)
      return [complain(at, "there is no database section", { isAbsence: true })];
    const name = typeof entry.database === "string" ? entry.database : entry.database.name;
    const { databases } = declared;
    if (name === undefined) {
      if (databases.size === 1) return [];
      return databases.size === 0
        ? [complain(at, "database.databases has no entry")]
        : [
            complain(at, "say which database: there are several", {
              allowed: [...databases].sort(),
            }),
          ];
    }
    if (databases.has(name)) return [];
    const where = typeof entry.database === "string" ? at : [...at, "name"];
    return [complainUnknown(where, `no database "${name}"`, name, databases)];
  });
}

function serviceRole({ written, services, declared }: RuleInput): Finding[] {
  const { database } = written;
  if (database === undefined) return [];
  const owners = [...declared.databases].map((name) => ownerOf(name, database));
  return services.flatMap(({ pointer, entry }) => {
    if (entry.database === undefined || typeof entry.database === "string") return [];
    const { role } = entry.database;
    if (role === undefined || declared.roles.has(role) || owners.includes(role)) return [];
    return [
      complainUnknown([...pointer, "database", "role"], `no role "${role}"`, role, [
        ...declared.roles,
        ...owners,
      ]),
    ];
  });
}

function serviceLogin({ written, services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    const role = normalizeAccess(entry.database, written.database)?.role ?? "";
    if (written.database?.roles?.[role]?.login !== false) return [];
    return [complain([...pointer, "database"], `the role "${role}" has login: false`)];
  });
}
