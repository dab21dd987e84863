import type { Manifest } from "../manifest/schema.ts";
import { scopeOfServices } from "../plan/scope.ts";
import type { Scope } from "../plan/scope.ts";

/**
 * What `--only` says.
 * @throws HostkitError usage for a name that the manifest does not have
 */
export function scopeOf(
  manifest: Manifest,
  only: readonly string[] | undefined,
): { readonly scope?: Scope } {
  return only === undefined ? {} : { scope: scopeOfServices(manifest, only) };
}
