import { valueAt } from "../explain.ts";
import type { Finding, Pointer } from "../problems.ts";
import type { WrittenManifest } from "../schema.ts";
import type { WrittenCommon, WrittenService, WrittenWebService } from "../sections/services.ts";
import { suggest } from "../suggest.ts";
import { serviceSections } from "../services.ts";

/** One rule: small, named, and silent about what another rule already says. */
export type Rule = (input: RuleInput) => Finding[];

export interface RuleInput {
  readonly written: WrittenManifest;
  /** The YAML as plain data. */
  readonly raw: unknown;
  /** Services and web services in the order written. */
  readonly services: readonly ServiceEntry[];
  readonly declared: {
    readonly hosts: ReadonlySet<string>;
    readonly databases: ReadonlySet<string>;
    /** Without the owners that are only named. */
    readonly roles: ReadonlySet<string>;
    readonly services: ReadonlySet<string>;
    readonly web: ReadonlySet<string>;
    readonly repositories: ReadonlySet<string>;
    readonly secrets: ReadonlySet<string>;
    /** Docker volumes by the name in some service's `volumes`. */
    readonly volumes: ReadonlySet<string>;
  };
}

export interface ServiceEntry {
  readonly name: string;
  readonly pointer: readonly ["services" | "web", string];
  readonly entry: WrittenCommon;
  /** The same entry with the keys of its own section. */
  readonly service?: WrittenService;
  readonly web?: WrittenWebService;
  readonly runtime: "native" | "container";
}

/** What is written under a place of the manifest. */
function listKeysAt(raw: unknown, pointer: Pointer): Set<string> {
  const value = valueAt(raw, pointer);
  return new Set(
    typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [],
  );
}

export function ruleInput(written: WrittenManifest, raw: unknown): RuleInput {
  const keysAt = (...pointer: Pointer) => listKeysAt(raw, pointer);
  const runtimeOf = (pointer: ServiceEntry["pointer"]) => {
    const archive = valueAt(raw, [...pointer, "archive"]);
    const keys = keysAt(...pointer);
    return keys.has("build") || keys.has("image") || typeof archive === "string"
      ? "container"
      : "native";
  };
  const services: ServiceEntry[] = [];
  for (const [name, entry] of Object.entries(written.services ?? {})) {
    const pointer = ["services", name] as const;
    services.push({ name, pointer, entry, service: entry, runtime: runtimeOf(pointer) });
  }
  for (const [name, entry] of Object.entries(written.web ?? {})) {
    const pointer = ["web", name] as const;
    services.push({ name, pointer, entry, web: entry, runtime: runtimeOf(pointer) });
  }
  return {
    written,
    raw,
    services,
    declared: {
      hosts: keysAt("hosts"),
      databases: keysAt("database", "databases"),
      roles: keysAt("database", "roles"),
      services: keysAt("services"),
      web: keysAt("web"),
      repositories: keysAt("backups", "repositories"),
      secrets: keysAt("secrets"),
      volumes: namedVolumes(raw),
    },
  };
}

function namedVolumes(raw: unknown): Set<string> {
  const written = serviceSections.flatMap((section) => {
    const entries = valueAt(raw, [section]);
    if (typeof entries !== "object" || entries === null) return [];
    return Object.keys(entries).flatMap((name) => {
      const volumes = valueAt(raw, [section, name, "volumes"]);
      return Array.isArray(volumes) ? (volumes as unknown[]) : [];
    });
  });
  return new Set(
    written.flatMap((volume) =>
      typeof volume === "string" && !volume.startsWith("/") ? [volume.split(":")[0] ?? ""] : [],
    ),
  );
}

export function complain(pointer: Pointer, message: string, extra: Partial<Finding> = {}): Finding {
  return { severity: "error", pointer, message, ...extra };
}

export function warn(pointer: Pointer, message: string, extra: Partial<Finding> = {}): Finding {
  return { severity: "warning", pointer, message, ...extra };
}

/** A name that should be one of `known`: says which there are and which was probably meant. */
export function complainUnknown(
  pointer: Pointer,
  message: string,
  name: string,
  known: Iterable<string>,
): Finding {
  const allowed = [...new Set(known)].sort();
  const suggestion = suggest(name, allowed);
  return complain(pointer, message, {
    isAbsence: true,
    allowed,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}

/** Nodes of a directed graph that lie on a cycle, each cycle once, as the way round from its first node. */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const follow = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    if (start !== -1) {
      cycles.push([...path.slice(start), node]);
      return;
    }
    if (done.has(node)) return;
    for (const next of edges.get(node) ?? []) follow(next, [...path, node]);
    done.add(node);
  };
  for (const node of edges.keys()) follow(node, []);
  return cycles;
}
