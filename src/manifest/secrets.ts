import type { Pointer } from "./problems.ts";
import type { WrittenManifest } from "./schema.ts";

/**
 * What a secret is for. "service": a service gets it as a file. "repository": it opens a repository of backups. "key": a private key.
 * "environment": every value in the file is one. "keeper": it removes old backups from this machine, and no host ever has it.
 * "registry": it lets pulls in to a registry. "build": only the build of an image sees it.
 */
export type SecretPurpose =
  | "service"
  | "repository"
  | "key"
  | "environment"
  | "keeper"
  | "registry"
  | "build";

/** A place of the manifest that asks for a secret: by the name of a value, or by a file on this machine that is one. */
export type SecretUse = {
  readonly pointer: Pointer;
  readonly purpose: SecretPurpose;
} & ({ readonly name: string } | { readonly path: string });

/** Where secrets stand in a manifest; `*` is any key. A new key that holds one is a line here, and nothing else has to know. */
const places: readonly {
  readonly at: string;
  readonly purpose: SecretPurpose;
  readonly holds: "name" | "path";
}[] = [
  { at: "hosts.*.identity", purpose: "key", holds: "path" },
  { at: "services.*.secrets.*", purpose: "service", holds: "name" },
  { at: "services.*.build.secrets.*", purpose: "build", holds: "name" },
  { at: "services.*.build.ssh", purpose: "build", holds: "name" },
  { at: "services.*.env_file", purpose: "environment", holds: "path" },
  { at: "web.*.secrets.*", purpose: "service", holds: "name" },
  { at: "web.*.build.secrets.*", purpose: "build", holds: "name" },
  { at: "web.*.build.ssh", purpose: "build", holds: "name" },
  { at: "web.*.env_file", purpose: "environment", holds: "path" },
  { at: "images.*.build.secrets.*", purpose: "build", holds: "name" },
  { at: "images.*.build.ssh", purpose: "build", holds: "name" },
  { at: "registries.*.password", purpose: "registry", holds: "name" },
  { at: "proxy.sites.*.tls.key", purpose: "key", holds: "path" },
  { at: "backups.repositories.*.passphrase", purpose: "repository", holds: "name" },
  { at: "backups.repositories.*.access_key", purpose: "repository", holds: "name" },
  { at: "backups.repositories.*.secret_key", purpose: "repository", holds: "name" },
  { at: "backups.repositories.*.identity", purpose: "key", holds: "path" },
  { at: "backups.repositories.*.append_only.access_key", purpose: "keeper", holds: "name" },
  { at: "backups.repositories.*.append_only.secret_key", purpose: "keeper", holds: "name" },
  { at: "backups.repositories.*.append_only.identity", purpose: "keeper", holds: "path" },
];

/** Every place of a manifest that asks for a secret. The rules, reading and redaction all have it from here. */
export function secretsOf(written: WrittenManifest): SecretUse[] {
  return places.flatMap(({ at, purpose, holds }) =>
    findTexts(written, at.split("."), []).map(({ pointer, text }) =>
      holds === "name" ? { pointer, purpose, name: text } : { pointer, purpose, path: text },
    ),
  );
}

/** Those that are asked for by name. */
export function namedSecrets(
  uses: readonly SecretUse[],
): Extract<SecretUse, { readonly name: string }>[] {
  return uses.filter((use) => "name" in use);
}

function findTexts(
  value: unknown,
  [key, ...rest]: readonly string[],
  pointer: Pointer,
): { readonly pointer: Pointer; readonly text: string }[] {
  if (key === undefined) return typeof value === "string" ? [{ pointer, text: value }] : [];
  if (typeof value !== "object" || value === null) return [];
  const keys = key === "*" ? Object.keys(value) : Object.hasOwn(value, key) ? [key] : [];
  return keys.flatMap((each) =>
    findTexts((value as Record<string, unknown>)[each], rest, [
      ...pointer,
      Array.isArray(value) ? Number(each) : each,
    ]),
  );
}
