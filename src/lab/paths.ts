import { createHash } from "node:crypto";
import path from "node:path";
import { HostkitError } from "../errors.ts";

/** Where a lab keeps its things. Two labs (two state folders) never touch each other's hosts. */
export interface LabPaths {
  /** Hosts, keys, disks: gone after the last `down`. */
  readonly state: string;
  /** Base images and locks: kept between runs, shared by every lab of the machine. */
  readonly cache: string;
  /** Six hex digits that name this lab's bridge, table, namespaces and control groups. */
  readonly id: string;
}

/** Reads HOSTKIT_LAB_DIR and HOSTKIT_LAB_CACHE; without them the lab lives under /var. */
export function labPaths(env: NodeJS.ProcessEnv = process.env): LabPaths {
  const state = path.resolve(env["HOSTKIT_LAB_DIR"] || "/var/lib/hostkit-lab");
  const cache = path.resolve(env["HOSTKIT_LAB_CACHE"] || "/var/cache/hostkit-lab");
  for (const folder of [state, cache]) {
    // The paths appear in mount options, hooks and shell programs that split on these characters.
    if (/^[\w./@+-]+$/.test(folder)) continue;
    throw new HostkitError("usage", {
      what: `a lab folder cannot be ${JSON.stringify(folder)}`,
      why: "only letters, digits and . _ / @ + - can be in its path",
      next: "set HOSTKIT_LAB_DIR and HOSTKIT_LAB_CACHE to other folders",
    });
  }
  return { state, cache, id: createHash("sha256").update(state).digest("hex").slice(0, 6) };
}
