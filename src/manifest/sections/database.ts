import { z } from "zod";
import type { Database, DatabaseDefinition, Grant, GrantObjects, Role } from "../manifest.ts";
import { sortKeys, sortNamed } from "../order.ts";
import {
  choice,
  count,
  flag,
  identifier,
  line,
  listOf,
  localPath,
  mapping,
  named,
  orEmpty,
  scalarText,
  text,
} from "../values.ts";

const privileges = [
  "all",
  "connect",
  "create",
  "delete",
  "execute",
  "insert",
  "maintain",
  "references",
  "select",
  "temporary",
  "trigger",
  "truncate",
  "update",
  "usage",
] as const;

const wideObjects = ["all tables", "all sequences", "all functions", "schema", "database"] as const;

const grantSchema = mapping({
  on: z.union([choice(wideObjects), listOf(identifier(), "table names").min(1)]).meta({
    description:
      "A list of tables, or one of: all tables, all sequences, all functions (each with those the owner makes later), schema, database.",
    examples: [["raw_spots", "dx_spots"], "all tables"],
  }),
  privileges: listOf(choice(privileges), "privileges")
    .min(1)
    .meta({
      description: "What the role may do with them; `all` stands for everything.",
      examples: [["select", "insert", "update"]],
    }),
  database: identifier().optional().meta({
    description:
      "The database the objects are in. Default: the only one; required when there are several.",
  }),
  schema: identifier()
    .optional()
    .meta({ description: "The schema the objects are in. Default: public." }),
});

const roleSchema = mapping({
  grants: listOf(grantSchema, "{on, privileges}")
    .optional()
    .meta({
      description: "Everything this role may do; nothing else. Default: none.",
      examples: [[{ on: "all tables", privileges: ["select"] }]],
    }),
  login: flag().optional().meta({
    description: "Whether the role may log in. Default: true exactly when a service uses it.",
  }),
  connection_limit: count(0, 10_000)
    .optional()
    .meta({ description: "Most connections at a time. Default: no limit of its own." }),
});

const databaseSchema = mapping({
  owner: identifier()
    .optional()
    .meta({
      description:
        "Role that owns the database and runs its migrations; made when `roles` has none. Default: NAME_owner.",
      examples: ["dx_owner"],
    }),
  migrations: localPath("the path of a folder with numbered .sql files")
    .optional()
    .meta({
      description:
        "Folder with numbered .sql files (001_spots.sql), each applied once, in order, by the owner.",
      examples: ["db/migrations"],
    }),
  extensions: listOf(line("the name of an extension"), "extension names")
    .optional()
    .meta({
      description: "PostgreSQL extensions to create. Default: none.",
      examples: [["pg_trgm"]],
    }),
  encoding: line("an encoding such as UTF8")
    .optional()
    .meta({ description: "Character encoding, fixed when the database is made. Default: UTF8." }),
  locale: line("a locale such as C.UTF-8").optional().meta({
    description:
      "Locale of sorting and letters, fixed when the database is made. Default: C.UTF-8.",
  }),
});

const versionExpected = "expected distro or a PostgreSQL major version between 12 and 30";
const version = z.union([
  z.literal("distro", { error: versionExpected }),
  z
    .int({ error: versionExpected })
    .min(12, { error: versionExpected })
    .max(30, { error: versionExpected }),
  z
    .string({ error: versionExpected })
    .regex(/^(?:1[2-9]|2\d|30)$/, { error: versionExpected })
    .transform(Number),
]);

export const databaseSectionSchema = mapping({
  engine: choice(["postgresql"])
    .optional()
    .meta({ description: "The database system. Default: postgresql." }),
  version: version.optional().meta({
    description:
      "distro: the version that the host's distribution brings. A major version such as 17 must be one the host's apt sources have. Default: distro.",
  }),
  databases: named(
    identifier(),
    orEmpty(databaseSchema),
    "database names to {owner, migrations, …}",
  )
    .optional()
    .meta({
      description: "Databases to create. None is ever dropped.",
      examples: [{ dxcluster: { owner: "dx_owner", migrations: "db/migrations" } }],
    }),
  roles: named(identifier(), orEmpty(roleSchema), "role names to {grants, …}")
    .optional()
    .meta({
      description:
        "Roles and what they may do. Services log in over the Unix socket as their role, without a password; no other user can.",
      examples: [{ dx_reader: { grants: [{ on: "all tables", privileges: ["select"] }] } }],
    }),
  settings: named(
    text("the name of a PostgreSQL setting", /^[a-z_][a-z0-9_.]{0,62}$/),
    scalarText(),
    "PostgreSQL settings to values",
  )
    .optional()
    .meta({
      description:
        "Settings of postgresql.conf: text, a number, true or false. hostkit's own defaults give way to them.",
      examples: [{ max_connections: 200, shared_buffers: "1GB" }],
    }),
}).meta({
  description:
    "PostgreSQL, native under systemd, reachable by its Unix socket and on loopback only.",
});

export type WrittenDatabase = z.output<typeof databaseSectionSchema>;
type WrittenGrant = z.output<typeof grantSchema>;

/** The owner of a database as written, or the default name. */
export function ownerOf(database: string, written: WrittenDatabase): string {
  return written.databases?.[database]?.owner ?? `${database}_owner`;
}

/** `loginRoles`: roles that services log in as. */
export function normalizeDatabase(
  written: WrittenDatabase,
  loginRoles: ReadonlySet<string>,
): Database {
  const databases = Object.entries(written.databases ?? {}).map(
    ([name, entry]): DatabaseDefinition => ({
      name,
      owner: ownerOf(name, written),
      ...(entry?.migrations === undefined ? {} : { migrations: entry.migrations }),
      extensions: [...new Set(entry?.extensions ?? [])].sort(),
      encoding: entry?.encoding ?? "UTF8",
      locale: entry?.locale ?? "C.UTF-8",
    }),
  );
  const declared = written.roles ?? {};
  const names = new Set([...Object.keys(declared), ...databases.map((database) => database.owner)]);
  const onlyDatabase = databases[0]?.name ?? "";
  const roles = [...names].map((name): Role => {
    const role = declared[name];
    return {
      name,
      login: role?.login ?? loginRoles.has(name),
      ...(role?.connection_limit === undefined ? {} : { connectionLimit: role.connection_limit }),
      grants: (role?.grants ?? []).map((grant) => normalizeGrant(grant, onlyDatabase)),
    };
  });
  return {
    engine: "postgresql",
    version: written.version ?? "distro",
    databases: sortNamed(databases),
    roles: sortNamed(roles),
    settings: sortKeys(written.settings ?? {}),
  };
}

function normalizeGrant(grant: WrittenGrant, onlyDatabase: string): Grant {
  const on: GrantObjects = Array.isArray(grant.on)
    ? { kind: "tables", names: [...new Set(grant.on)].sort() }
    : { kind: grant.on };
  return {
    database: grant.database ?? onlyDatabase,
    schema: grant.schema ?? "public",
    on,
    privileges: grant.privileges.includes("all") ? ["all"] : [...new Set(grant.privileges)].sort(),
  };
}
