import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { postgresFacts } from "../../facts/postgres/postgres.ts";
import { psqlScript } from "../../facts/postgres/psql.ts";
import { quoteIdentifier } from "../../facts/postgres/sql.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** Where a password is written for a service: alone, or as a line of a pgpass file. */
export interface PasswordFile {
  readonly path: string;
  /** The service's system user, the only one who can read it. */
  readonly owner: string;
  readonly format: "bare" | "pgpass";
}

/**
 * The password of a role whose services cannot use the socket: made on the host, known to PostgreSQL and to files of those
 * services. The controller never sees it.
 */
export interface PostgresPasswordResource extends Resource {
  readonly kind: "postgres-password";
  readonly major: number;
  /** At least one; the first is bare. */
  readonly files: readonly PasswordFile[];
}

/** Builds a password resource; `name` is the role's. */
export function postgresPassword(
  name: string,
  options: Omit<PostgresPasswordResource, "kind" | "name">,
): PostgresPasswordResource {
  return { kind: "postgres-password", name, ...options };
}

/** The id of a resource of this kind by its name. */
export const postgresPasswordId = idsOf("postgres-password");

export const postgresPasswordKind: ResourceKind<PostgresPasswordResource> = {
  kind: "postgres-password",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [
    need(postgresFacts, String(resource.major)),
    ...resource.files.map(({ path }) => need(fileFacts, path)),
  ],

  diff(resource, facts): Change | undefined {
    const { name, major, files } = resource;
    const cluster = facts.get(postgresFacts, String(major));
    const reasons: string[] = [];
    if (cluster?.roles[name]?.hasPassword !== true) reasons.push("has no password yet");
    for (const { path, owner } of files) {
      const fact = facts.get(fileFacts, path);
      if (fact === undefined) reasons.push(`${path} does not exist`);
      else if (fact.owner !== owner || fact.mode !== "0400")
        reasons.push(`${path} is ${fact.mode} of ${fact.owner}, should be 0400 of ${owner}`);
    }
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, files[0]?.path ?? "") === undefined ? "create" : "update",
      because: reasons.join("; "),
      steps: [
        { type: "script", title: `set the password of role ${name}`, script: setScript(resource) },
      ],
    };
  },

  own: (resource) => ({
    kind: "postgres-password",
    name: resource.name,
    major: resource.major,
    paths: resource.files.map(({ path }) => path),
  }),
  removalNeeds: (owned) => [need(postgresFacts, String(owned["major"]))],

  remove(owned, facts): Change {
    const major = Number(owned["major"]);
    const paths = (owned["paths"] as readonly string[] | undefined) ?? [];
    const isSet = facts.get(postgresFacts, String(major))?.roles[owned.name]?.hasPassword === true;
    return removeByScript(
      owned,
      `forget the password of role ${owned.name}`,
      joinScripts([
        isSet
          ? psqlScript(major, "postgres", [
              "-c",
              `alter role ${quoteIdentifier(owned.name)} password null`,
            ])
          : sh``,
        sh`rm -f ${paths}`,
      ]),
    );
  },
};

/** A password that is there already stays: containers hold the file open. printf is the shell's own, so no argv shows it. */
function setScript(resource: PostgresPasswordResource): { text: string } {
  const { name, major, files } = resource;
  const role = quoteIdentifier(name);
  const write = files.map(({ path, owner, format }) => {
    const content =
      format === "bare"
        ? sh`printf %s "$password"`
        : sh`printf '*:*:*:%s:%s\\n' ${name.replace(/[\\:]/g, "\\$&")} "$password"`;
    return sh`${content} >${`${path}.hostkit-new`}
chown ${`${owner}:${owner}`} ${`${path}.hostkit-new`}
chmod 0400 ${`${path}.hostkit-new`}
mv -f ${`${path}.hostkit-new`} ${path}`;
  });
  return sh`umask 077
if [ -s ${files[0]?.path ?? ""} ]; then password=$(cat ${files[0]?.path ?? ""})
else password=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ${" \n"}); fi
printf "set password_encryption = 'scram-sha-256'; alter role %s password '%s';\\n" ${role} "$password" | ${psqlScript(major)}
${joinScripts(write)}`;
}
