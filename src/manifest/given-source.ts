import type { Manifest, ServiceBase } from "./manifest.ts";
import type { Source } from "./source.ts";

/**
 * The manifest in which one container service is made from something else than it says.
 * @param given the option that says so, as somebody typed it: `--image ghcr.io/a/b@sha256:…`
 */
export function withGivenSource(
  manifest: Manifest,
  name: string,
  source: Source,
  given: string,
): Manifest {
  const change = <S extends ServiceBase>(service: S): S =>
    service.name === name ? { ...service, source, given } : service;
  return {
    ...manifest,
    services: manifest.services.map(change),
    web: manifest.web.map(change),
  };
}
