import type { ServiceSource } from "../local/sources.ts";
import type { Manifest, ServiceBase } from "../manifest/manifest.ts";
import { stackDirectoryOf } from "../stack/names.ts";

/** Where sources lie on the host while somebody develops: a folder a service. */
export function devFolderOf(stack: string): string {
  return `${stackDirectoryOf(stack)}/dev`;
}

/**
 * The manifest in which these services have their sources mounted over the image's copy. Whoever develops looks himself: no release is
 * watched, and none waits for a page that is still open in a browser.
 */
export function withMounts(manifest: Manifest, sources: readonly ServiceSource[]): Manifest {
  const mount = <S extends ServiceBase>(written: S): S => {
    const service = { ...written, watchSeconds: 0, drainSeconds: 0 };
    const source = sources.find((one) => one.service === service.name);
    if (source === undefined || source.mounts.length === 0) return service;
    const volumes = source.mounts.map((one) => ({
      kind: "bind" as const,
      source: `${devFolderOf(manifest.stack)}/${service.name}/${one.source}`,
      path: one.path,
      readOnly: true,
    }));
    return { ...service, volumes: [...service.volumes, ...volumes] };
  };
  return { ...manifest, services: manifest.services.map(mount), web: manifest.web.map(mount) };
}
