import { need } from "../facts/fact.ts";
import { hashText } from "../facts/hash.ts";
import { postgresContentFacts, postgresContentSubject } from "../facts/postgres.ts";
import { psqlScript } from "../facts/psql.ts";
import { quoteIdentifier, quoteLiteral } from "../facts/sql.ts";
import { sh } from "../shell/script.ts";
import { idOf } from "./resource.ts";
import type { Change, Resource, ResourceKind, Step } from "./resource.ts";

/**
 * Numbered SQL files, each applied once, in order, in a transaction of its own, as the database's owner.
 * What was applied stands in the database itself: table hostkit.migrations.
 */
export interface PostgresMigrationsResource extends Resource {
  readonly kind: "postgres-migrations";
  readonly major: number;
  readonly owner: string;
  /** In the order in which they are applied; `name` without a folder. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/** Builds a migrations resource; `name` is the database's. */
export function postgresMigrations(
  name: string,
  options: Omit<PostgresMigrationsResource, "kind" | "name">,
): PostgresMigrationsResource {
  return { kind: "postgres-migrations", name, ...options };
}

const ledgerSql = `create schema if not exists hostkit;
create table if not exists hostkit.migrations (
  name text primary key, sha256 text not null, applied_at timestamptz not null default now());
`;

export const postgresMigrationsKind: ResourceKind<PostgresMigrationsResource> = {
  kind: "postgres-migrations",
  needs: (resource) => [
    need(postgresContentFacts, postgresContentSubject(resource.major, resource.name)),
  ],

  diff(resource, facts): Change | undefined {
    const { name, major, files } = resource;
    const applied =
      facts.get(postgresContentFacts, postgresContentSubject(major, name))?.migrations ?? {};
    const edited = files.filter(
      (file) => applied[file.name] !== undefined && applied[file.name] !== hashText(file.text),
    );
    if (edited.length > 0)
      return refuse(
        resource,
        edited.map((file) => file.name),
      );
    const pending = files.filter((file) => applied[file.name] === undefined);
    if (pending.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: "run",
      because: `not applied: ${pending.map((file) => file.name).join(", ")}`,
      steps: [
        {
          type: "script",
          title: `prepare the list of migrations in ${name}`,
          script: sh`PGOPTIONS='-c client_min_messages=warning' ${psqlScript(major, name, ["-1"])}`,
          stdin: { text: ledgerSql },
        },
        ...pending.flatMap((file) => applySteps(resource, file)),
      ],
    };
  },

  own: () => undefined,
  remove: () => undefined,
};

/** psql reads the file by name, so that an error says `0003_bands.sql:12`; the run's folder is closed to postgres. */
function applySteps(
  resource: PostgresMigrationsResource,
  file: PostgresMigrationsResource["files"][number],
): Step[] {
  const psql = psqlScript(resource.major, resource.name, [
    "-1",
    "-c",
    "set lock_timeout = '60s'",
    "-c",
    `set role ${quoteIdentifier(resource.owner)}`,
    "-f",
    file.name,
    "-c",
    "reset role",
    "-c",
    `insert into hostkit.migrations (name, sha256) values (${quoteLiteral(file.name)}, ${quoteLiteral(hashText(file.text))})`,
  ]);
  return [
    { type: "upload", as: `migrations/${file.name}`, content: { text: file.text } },
    {
      type: "script",
      title: `apply ${file.name} to ${resource.name}`,
      // Asked again, because the plan may have been made while the server was down.
      script: sh`applied=$(${psqlScript(resource.major, resource.name, ["-c", `select sha256 from hostkit.migrations where name = ${quoteLiteral(file.name)}`])})
if [ "$applied" = ${hashText(file.text)} ]; then
  echo "applied earlier"
  exit 0
fi
if [ -n "$applied" ]; then
  echo ${editedMessage(resource.name, file.name)} >&2
  exit 1
fi
source=$PWD/migrations
readable=$(mktemp -d /run/hostkit-migration.XXXXXX)
trap 'rm -rf "$readable"' EXIT
install -m 0400 -o postgres "$source"/${file.name} "$readable"/
chown postgres "$readable"
cd "$readable"
if ! ${psql}; then
  echo ${`${file.name} failed and was rolled back: nothing of it is in ${resource.name}`} >&2
  exit 1
fi`,
    },
  ];
}

function refuse(resource: PostgresMigrationsResource, edited: readonly string[]): Change {
  const list = edited.join(", ");
  return {
    id: idOf(resource),
    action: "run",
    because: `${list} was edited after it was applied; provision will stop here`,
    steps: [
      {
        type: "script",
        title: `compare the migrations of ${resource.name}`,
        script: sh`echo ${editedMessage(resource.name, list)} >&2
exit 1`,
      },
    ],
  };
}

function editedMessage(database: string, files: string): string {
  return `${files}: edited after it was applied to ${database}. Put the old text back and write the change as a new, higher numbered file.`;
}
