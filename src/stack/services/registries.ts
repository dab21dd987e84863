import type { Manifest } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { ImageSource } from "../../resources/containers/image.ts";
import { directory } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource } from "../../resources/resource.ts";
import { writeDockerConfig } from "../../writers/docker-config.ts";
import type { RegistryLogin } from "../../writers/docker-config.ts";
import { readImageReference } from "../../writers/image-reference.ts";
import { requireSecret } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { registriesDirectoryOf } from "../names.ts";

type Inputs = Pick<StackInputs, "manifest" | "texts" | "secrets">;

/** Folder of Docker's client for pulls from a registry; undefined where the manifest has no login for it. */
export function configFolderFor(
  { stack, registries = [] }: Manifest,
  registry: string,
): string | undefined {
  const hasLogin = registries.some(({ name, login }) => name === registry && login !== undefined);
  return hasLogin ? registriesDirectoryOf(stack) : undefined;
}

/** What has to be on a host before it can pull an image: the logins, and whom to trust. */
export function resolveRegistry(inputs: Inputs, source: ImageSource): Resource[] {
  if (source.kind !== "pull") return [];
  const ca = (inputs.manifest.registries ?? []).find(({ name }) => name === source.registry)?.ca;
  return [
    ...(source.config === undefined ? [] : resolveLogins(inputs, source.config)),
    ...(ca === undefined ? [] : trustRegistry(source.registry, inputs.texts.get(ca) ?? "")),
  ];
}

/**
 * One file for all logins that images need. Docker's client is sent there by pulls alone; what somebody has in root's own
 * ~/.docker/config.json is neither read nor written.
 */
function resolveLogins(inputs: Inputs, path: string): Resource[] {
  const folder = directory(path, { mode: "0700" });
  const config = file(
    `${path}/config.json`,
    { secret: writeDockerConfig(listLogins(inputs)) },
    { mode: "0600", after: [idOf(folder)] },
  );
  return [folder, config];
}

function listLogins({ manifest, secrets }: Inputs): RegistryLogin[] {
  const used = new Set(
    servicesOf(manifest).flatMap(({ source }) =>
      source.kind === "image" ? [readImageReference(source.reference).registry] : [],
    ),
  );
  return (manifest.registries ?? []).flatMap(({ name, login }) =>
    login === undefined || !used.has(name)
      ? []
      : [{ registry: name, user: login.user, password: requireSecret(secrets, login.password) }],
  );
}

/** dockerd reads it at each pull: nothing is started anew. */
function trustRegistry(registry: string, certificates: string): Resource[] {
  const folder = directory(`/etc/docker/certs.d/${registry}`);
  return [
    folder,
    file(`${folder.path}/ca.crt`, certificates, { after: [idOf(folder)], shared: "said" }),
  ];
}
