import type { Manifest, ServiceBase } from "./manifest.ts";
import type { Pointer } from "./problems.ts";
import { identityOf } from "./sections/repositories.ts";
import { fileOf } from "./sections/secrets.ts";
import { servicesOf } from "./services.ts";
import type { Source } from "./source.ts";

export type ReferenceKind =
  | "deb"
  | "image-archive"
  | "build-context"
  | "dockerfile"
  | "migrations"
  | "env-file"
  | "secret-file"
  | "certificate"
  | "private-key"
  | "ca-root"
  | "registry-ca"
  | "identity";

/** A local file or folder (`build-context`, `migrations`) that the manifest needs. */
export interface Reference {
  /** As written: relative to the manifest's folder, absolute or beginning with `~/`. */
  readonly path: string;
  readonly kind: ReferenceKind;
  /** Where the manifest names it. */
  readonly pointer: Pointer;
}

/** Every local path in the manifest, in the order of its sections. */
export function listReferencedFiles(manifest: Manifest): Reference[] {
  const references: Reference[] = [];
  const add = (kind: ReferenceKind, path: string | undefined, pointer: Pointer) => {
    if (path !== undefined) references.push({ path, kind, pointer });
  };
  for (const host of manifest.hosts)
    add("identity", host.identity, ["hosts", host.name, "identity"]);
  for (const database of manifest.database?.databases ?? []) {
    add("migrations", database.migrations, ["database", "databases", database.name, "migrations"]);
  }
  for (const service of servicesOf(manifest)) addService(service, add);
  for (const image of manifest.images ?? []) addSource(image, add);
  for (const { written, ca } of manifest.registries ?? [])
    add("registry-ca", ca, ["registries", written, "ca"]);
  add("ca-root", manifest.proxy?.acmeCaRoot, ["proxy", "acme_ca_root"]);
  for (const site of manifest.proxy?.sites ?? []) {
    if (site.tls.kind !== "files") continue;
    add("certificate", site.tls.certificate, ["proxy", "sites", site.name, "tls", "certificate"]);
    add("private-key", site.tls.key, ["proxy", "sites", site.name, "tls", "key"]);
  }
  for (const repository of manifest.backups?.repositories ?? []) {
    add("identity", identityOf(repository), [
      "backups",
      "repositories",
      repository.name,
      "identity",
    ]);
  }
  for (const secret of manifest.secrets) {
    if (secret.isKeepers !== true)
      add("secret-file", fileOf(secret), ["secrets", secret.name, "file"]);
  }
  return references;
}

/** The path of a build's Dockerfile, from the manifest's folder. */
export function dockerfileOf({
  context,
  dockerfile,
}: Pick<Extract<Source, { readonly kind: "build" }>, "context" | "dockerfile">): string {
  return `${context.replace(/\/+$/, "")}/${dockerfile}`;
}

function addService(
  service: ServiceBase,
  add: (kind: ReferenceKind, path: string | undefined, pointer: Pointer) => void,
): void {
  const { section, name, source } = service;
  if (source.kind === "package") add("deb", source.path, [section, name, "package"]);
  addSource(service, add);
  add("env-file", service.envFile, [section, name, "env_file"]);
}

function addSource(
  { section, name, source }: { section: string; name: string; source: Source },
  add: (kind: ReferenceKind, path: string | undefined, pointer: Pointer) => void,
): void {
  const at = (key: string): Pointer => [section, name, key];
  if (source.kind === "image-archive") add("image-archive", source.path, at("archive"));
  if (source.kind === "build") {
    add("build-context", source.context, at("build"));
    add("dockerfile", dockerfileOf(source), at("build"));
  }
}
