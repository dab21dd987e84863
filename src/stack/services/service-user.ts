import type { Manifest } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { Resource } from "../../resources/resource.ts";
import { systemUser } from "../../resources/system/user.ts";
import { userOf } from "../names.ts";

/**
 * The system user of services; one that the manifest names and that exists already stays as it is. Services may share one: it is
 * then the same resource, whichever of them it is asked for.
 */
export function resolveUser(manifest: Manifest, name: string): Resource {
  const sharing = servicesOf(manifest).filter((other) => userOf(manifest, other) === name);
  const services = sharing.map((other) => other.name).sort();
  return systemUser(name, {
    comment: `hostkit ${manifest.stack} ${services.join(" ")}`,
    ...(sharing.every((other) => other.user === undefined) ? {} : { keepExisting: true }),
  });
}
