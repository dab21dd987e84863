import type { AnyService, Manifest, VolumeQuiesce } from "../../manifest/schema.ts";
import { containersOf } from "../../manifest/services.ts";
import { volumePath } from "../names.ts";
import { backupPlaces } from "./jobs.ts";

/** Volumes that are copied at one moment. */
export interface QuiesceGroup {
  /** Name of its first volume. */
  readonly name: string;
  readonly how: VolumeQuiesce["how"];
  /** Names; several only where services are stopped for all of them at once. */
  readonly volumes: readonly string[];
  /** Services that may write to them, and those that only read. */
  readonly writers: readonly AnyService[];
  readonly readers: readonly AnyService[];
  /** Whose container is asked. */
  readonly asked?: AnyService;
  readonly entry: VolumeQuiesce;
}

type Part = Pick<Manifest, "stack" | "backups" | "services" | "web">;

/** What is copied together: a service that writes to two volumes is stopped once for both. In the order of their names. */
export function listQuiesceGroups(manifest: Part): QuiesceGroup[] {
  const entries = manifest.backups?.files?.quiesce ?? [];
  const containers = containersOf(manifest);
  const stopped = entries.filter(({ how }) => how === "stop");
  const done = new Set<string>();
  return entries.flatMap((entry) => {
    if (done.has(entry.volume)) return [];
    const volumes =
      entry.how === "stop" ? reachedFrom(entry.volume, stopped, containers) : [entry.volume];
    for (const volume of volumes) done.add(volume);
    const users = containers.filter((one) => volumes.some((volume) => mounts(one, volume)));
    const writers = users.filter((one) => volumes.some((volume) => mounts(one, volume, true)));
    const asked = "service" in entry ? users.find(({ name }) => name === entry.service) : users[0];
    const group = { name: entry.volume, how: entry.how, volumes, writers, entry };
    const readers = users.filter((one) => !writers.includes(one));
    return [{ ...group, readers, ...(asked === undefined ? {} : { asked }) }];
  });
}

/** True where backups read a copy of a group's volumes. Otherwise a command has left something in the volume itself. */
export function isCopied({ entry }: QuiesceGroup): boolean {
  return entry.how !== "command" || entry.after !== undefined;
}

/** The copies, and the volumes over which the backup's unit has them: what reads them knows of no copy. */
export function listCovers(
  manifest: Part,
): { readonly volume: string; readonly copy: string; readonly path: string }[] {
  const { stack } = manifest;
  return listQuiesceGroups(manifest)
    .filter(isCopied)
    .flatMap(({ volumes }) => volumes)
    .map((volume) => ({
      ...{ volume, copy: copyPath(stack, volume), path: volumePath(stack, volume) },
    }));
}

/** Where the copy of a volume is, as long as its group's unit is active. */
export function copyPath(stack: string, volume: string): string {
  return `${backupPlaces(stack).quiesced}/volumes/${volume}`;
}

/** A volume and all others that are bound to it by services that write to both. */
function reachedFrom(
  first: string,
  entries: readonly VolumeQuiesce[],
  containers: readonly AnyService[],
): string[] {
  const found = new Set([first]);
  for (const volume of found) {
    const writers = containers.filter((one) => mounts(one, volume, true));
    for (const other of entries)
      if (writers.some((one) => mounts(one, other.volume, true))) found.add(other.volume);
  }
  return [...found].sort();
}

function mounts({ volumes }: AnyService, name: string, writing = false): boolean {
  return volumes.some(
    (one) => one.kind === "named" && one.name === name && !(writing && one.readOnly),
  );
}
