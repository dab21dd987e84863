import { z } from "zod";
import type { Repository } from "../manifest.ts";
import {
  absolutePath,
  closest,
  handle,
  hostNamePattern,
  httpsUrl,
  localPath,
  mapping,
  named,
  port,
  refused,
  text,
  variableName,
} from "../values.ts";

// Which kind a repository is, is asked here and where its driver is chosen (stack/backups/storages), nowhere else.

const passphrase = variableName()
  .optional()
  .meta({
    description:
      "Name of the secret that encrypts the repository. Default: a key made on the host, which is lost with the host.",
    examples: ["BACKUP_PASSPHRASE"],
  });

const repositoryHost = () =>
  text(
    "a host name or an IP address",
    new RegExp(String.raw`${hostNamePattern.source}|^(?=.*:.*:)[0-9A-Fa-f:.]{2,45}$`),
  );

/** `true`, or with what the operator's own machine expires with. */
const appendOnly = <Credentials extends z.ZodType>(credentials: Credentials, what: string) =>
  z
    .union([z.literal(true), closest(credentials)], { error: `expected true or ${what}` })
    .optional()
    .meta({
      description: `The host adds to it and removes nothing; old backups go by \`hostkit backup expire\`, which is called on this machine with ${what}, never sent to a host. true: hostkit removes nothing there at all. What the server has to do for it: docs/backups.md.`,
    });

const local = mapping({
  path: absolutePath().meta({
    description: "Folder on the host.",
    examples: ["/var/backups/hostkit"],
  }),
  append_only: refused(
    "expected nothing (whoever has the host can remove a folder of it; SFTP servers and buckets have append_only)",
  ),
  passphrase,
});

const serverUser = () => text("a user name", /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/);

const sftp = mapping({
  host: repositoryHost().meta({ description: "Server to send backups to." }),
  port: port().optional().meta({ description: "Its SSH port. Default: 22." }),
  user: serverUser().meta({ description: "User on that server." }),
  path: absolutePath().meta({ description: "Folder on that server." }),
  identity: localPath("the path of a private key file").meta({
    description:
      "Private key file on this machine, without passphrase; the host gets a copy only root can read.",
  }),
  host_key: text(
    'a public key ("ssh-ed25519 AAAA…") or its fingerprint ("SHA256:…")',
    /^(?:(?:ssh-|ecdsa-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+|SHA256:[A-Za-z0-9+/]{43}=?)$/,
  ).meta({
    description: "The server's host key; required, because nobody is there to ask at night.",
  }),
  append_only: appendOnly(
    mapping({
      user: serverUser().optional().meta({
        description:
          "User on that server who may remove what the host's user wrote. Default: the same one.",
      }),
      identity: localPath("the path of a private key file").meta({
        description: "Private key file of that user on this machine, without passphrase.",
      }),
    }),
    "{user, identity}",
  ),
  passphrase,
});

const s3 = mapping({
  bucket: text("a bucket name", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/).meta({
    description: "Bucket.",
  }),
  endpoint: httpsUrl("an https:// URL").meta({
    description: "URL of the S3 service.",
    examples: ["https://s3.eu-central-1.amazonaws.com"],
  }),
  region: text("a region name", /^[A-Za-z0-9-]{1,63}$/)
    .optional()
    .meta({ description: "Region. Default: us-east-1." }),
  prefix: text("a path inside the bucket", /^[A-Za-z0-9._/-]+$/)
    .optional()
    .meta({ description: "Folder in the bucket. Default: none." }),
  access_key: variableName().meta({
    description: "Name of the secret that holds the access key id.",
  }),
  secret_key: variableName().meta({
    description: "Name of the secret that holds the secret access key.",
  }),
  append_only: appendOnly(
    mapping({
      access_key: variableName().meta({
        description: "Name of the secret that holds the id of an access key that may delete.",
      }),
      secret_key: variableName().meta({
        description: "Name of the secret that holds its secret access key.",
      }),
    }),
    "{access_key, secret_key}",
  ),
  passphrase,
});

export const repositoriesSchema = named(
  handle(),
  z.union([closest(local), closest(sftp), closest(s3)]),
  "repository names to {path}, {host, user, path, …} or {bucket, endpoint, …}",
).meta({
  description:
    "Where backups go: {path} is a folder on the host, {host, user, path, identity, host_key} an SFTP server, {bucket, endpoint, access_key, secret_key} S3.",
  examples: [{ local: { path: "/var/backups/hostkit" } }],
});

export type WrittenRepository = z.output<typeof repositoriesSchema>[string];

export function normalizeRepository(name: string, entry: WrittenRepository): Repository {
  const common = {
    name,
    ...(entry.passphrase === undefined ? {} : { passphrase: entry.passphrase }),
  };
  if ("bucket" in entry) {
    return {
      ...common,
      kind: "s3",
      bucket: entry.bucket,
      endpoint: entry.endpoint,
      region: entry.region ?? "us-east-1",
      prefix: (entry.prefix ?? "").replace(/^\/+|\/+$/g, ""),
      accessKey: entry.access_key,
      secretKey: entry.secret_key,
      ...appendOnlyOf(entry.append_only, (given) => ({
        accessKey: given.access_key,
        secretKey: given.secret_key,
      })),
    };
  }
  if ("host" in entry) {
    const { host, user, identity } = entry;
    const path = collapseSlashes(entry.path);
    return {
      ...common,
      kind: "sftp",
      host,
      port: entry.port ?? 22,
      user,
      path,
      identity,
      hostKey: entry.host_key,
      ...appendOnlyOf(entry.append_only, (given) => ({
        user: given.user ?? user,
        identity: given.identity,
      })),
    };
  }
  return { ...common, kind: "local", path: collapseSlashes(entry.path) };
}

function appendOnlyOf<Written, Keeper>(
  written: true | Written | undefined,
  keeperOf: (given: Written) => Keeper,
): { appendOnly?: { keeper?: Keeper } } {
  if (written === undefined) return {};
  return { appendOnly: written === true ? {} : { keeper: keeperOf(written) } };
}

/** The same repository as whoever removes old backups from this machine reaches it; undefined: nobody does. */
export function asKeeper(repository: Repository): Repository | undefined {
  if (repository.kind === "local") return undefined;
  const keeper = repository.appendOnly?.keeper;
  return keeper === undefined ? undefined : { ...repository, ...keeper };
}

/** Whether the host only adds to it. */
export function isAppendOnly(repository: Repository): boolean {
  return repository.kind !== "local" && repository.appendOnly !== undefined;
}

/** What is written of it under `append_only`; a folder of the host has none. */
export function appendOnlyIn(written: WrittenRepository): true | object | undefined {
  return written.append_only;
}

/** pgBackRest takes no two slashes in a row. */
function collapseSlashes(path: string): string {
  return path.replaceAll(/\/{2,}/g, "/");
}

/** Its folder, on whichever machine; undefined: there is none in it. */
export function pathOf(written: WrittenRepository): string | undefined {
  return "path" in written ? collapseSlashes(written.path) : undefined;
}

/** The folder of the host itself that it is, and is lost with; undefined: it lies elsewhere. */
export function hostFolderOf(written: WrittenRepository): string | undefined {
  return "host" in written ? undefined : pathOf(written);
}

/** The private key file on this machine that it is reached with. */
export function identityOf(repository: Repository): string | undefined {
  return repository.kind === "sftp" ? repository.identity : undefined;
}

/** Names of the secrets that it is reached with. */
export function secretNamesOf(repository: Repository): string[] {
  return repository.kind === "s3" ? [repository.accessKey, repository.secretKey] : [];
}
