import type { Manifest } from "../manifest/manifest.ts";
import { findService, servicesOf, unknownService } from "../manifest/services.ts";
import { serviceUnitOf, webUnitOf } from "../stack/names.ts";

/** What `logs`, `start`, `stop` and `restart` take besides services: parts of the stack that are units of the distribution. */
const parts: ReadonlyMap<string, readonly string[]> = new Map([
  ["proxy", ["caddy.service"]],
  ["database", ["postgresql.service", "postgresql@*.service"]],
]);

/**
 * Unit names, some with `*`, of a service or a part of the stack.
 * @throws HostkitError usage for a word that is neither
 */
export function unitPatternsOf(manifest: Manifest, word: string): readonly string[] {
  const { stack } = manifest;
  const service = findService(manifest, word);
  if (service !== undefined) {
    if (service.runtime === "native") return [serviceUnitOf(stack, word)];
    // Slot and replica are the host's affair: `api-a`, `api-b2`.
    return (["a", "b"] as const).map((slot) =>
      webUnitOf(stack, word, slot, 1).replace(/\.service$/, "*.service"),
    );
  }
  const part = parts.get(word);
  if (part !== undefined && manifest[word as "proxy" | "database"] !== undefined) return part;
  const known = servicesOf(manifest).map(({ name }) => name);
  const own = [...parts.keys()].filter(
    (name) => manifest[name as "proxy" | "database"] !== undefined,
  );
  throw unknownService(word, [...known, ...own], "hostkit status");
}

/** True where a unit's name fits a pattern with `*`. */
export function fitsUnit(pattern: string, unit: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === unit;
  const tail = rest.join("*");
  return unit.startsWith(head) && unit.endsWith(tail) && unit.length >= head.length + tail.length;
}
