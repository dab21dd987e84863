import { HostkitError } from "../errors.ts";
import type { RestoreChoice } from "../facts/backups/restored-from.ts";
import type { System } from "../facts/system/system.ts";
import type { Lock } from "../manifest/lock.ts";
import type { Manifest } from "../manifest/schema.ts";
import type { MigrationFile } from "../resources/postgres/migration-file.ts";
import { idsOf } from "../resources/resource.ts";
import type { Blob, Heading, Resource, ResourceId } from "../resources/resource.ts";

/** Everything a stack's resources are made from. Plain values: `local/` has read them, nothing here does I/O. */
export interface StackInputs {
  readonly manifest: Manifest;
  /** The manifest's name of the host these resources are for. */
  readonly host: string;
  readonly system: System;
  /** Host facts that a template may need; the probe's first answer. */
  readonly hostname: string;
  /** EJS text of templates/host by its path there: `etc/systemd/system/service.service.ejs`. */
  readonly templates: ReadonlyMap<string, string>;
  /**
   * Local files and folders by the path written in the manifest. Folders of build contexts are trees; what a service's own build
   * takes of one is there by its `contextKeyOf`.
   */
  readonly blobs: ReadonlyMap<string, Blob>;
  /** Text of local files that hostkit reads itself (certificates, env files, Dockerfiles). */
  readonly texts: ReadonlyMap<string, string>;
  /** Migrations by the folder written in the manifest, in the order in which they run. */
  readonly migrations?: ReadonlyMap<string, readonly MigrationFile[]>;
  /** Which image each tag means. */
  readonly images?: Lock;
  /** Values of `manifest.secrets`, by name; bytes where they are no text. */
  readonly secrets: ReadonlyMap<string, string | Uint8Array>;
  /** A lab twin: no public ACME, no DNS; see docs/lab.md. */
  readonly isLab: boolean;
  /** What the stack is to be brought back from; absent: nobody asks for that now. */
  readonly restoreFrom?: RestoreChoice;
}

/**
 * The value of a secret.
 * @throws HostkitError file_missing where nobody brought it
 */
export function requireSecret(secrets: StackInputs["secrets"], name: string): string | Uint8Array {
  const value = secrets.get(name);
  if (value !== undefined) return value;
  throw new HostkitError("file_missing", {
    what: `the secret ${name} has no value`,
    next: `set the environment variable ${name}, or write it to .hostkit/secrets beside the manifest`,
  });
}

/** What one manifest section contributes. */
export interface Section {
  /** Distribution packages it needs; all sections' go into one transaction. */
  readonly packages: readonly string[];
  /** Of these, those that hold the user's data. */
  readonly dataPackages?: readonly string[];
  /** `package → unit` that is first started with its configuration in place, not by the package. */
  readonly startsLater?: Readonly<Record<string, string>>;
  /** `name → others` that do the same and are as good where they are installed already. */
  readonly alternatives?: Readonly<Record<string, readonly string[]>>;
  /** `name → version` pins. */
  readonly pins?: Readonly<Record<string, string>>;
  readonly resources: readonly Resource[];
  /** Ids among `resources` that must be in place before packages are installed (what a postinst reads). */
  readonly beforePackages?: readonly ResourceId[];
}

/** The one resource that stands for all packages; whatever needs a program waits for it. */
export const packagesId: ResourceId = idsOf("packages")("apt");

/** A section that contributes nothing. */
export const emptySection: Section = { packages: [], resources: [] };

/** One section of several: all that each of them contributes. */
export function joinSections(sections: readonly Section[]): Required<Section> {
  const merge = <T>(pick: (section: Section) => Readonly<Record<string, T>> | undefined) =>
    Object.fromEntries(sections.flatMap((section) => Object.entries(pick(section) ?? {})));
  return {
    packages: sections.flatMap((section) => section.packages),
    dataPackages: sections.flatMap((section) => section.dataPackages ?? []),
    startsLater: merge((section) => section.startsLater),
    alternatives: merge((section) => section.alternatives),
    pins: merge((section) => section.pins),
    resources: sections.flatMap((section) => section.resources),
    beforePackages: sections.flatMap((section) => section.beforePackages ?? []),
  };
}

/** The same section, with each resource under this heading of a plan's page. */
export function putUnder(heading: Heading, section: Section): Section {
  return {
    ...section,
    resources: section.resources.map((resource) => ({ heading, ...resource })),
  };
}
