import type { SlotName } from "../../facts/containers/releases.ts";
import type { Script } from "../../shell/script.ts";
import type { Content, Resource } from "../resource.ts";

/** A file that only one slot reads, so that the release in the other one stays as it was. */
export interface SlotFile {
  readonly path: string;
  readonly content: Content;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

/** A command that runs once in a release's image, in a container of its own. */
export interface HookPlan {
  readonly name: "pre_deploy" | "post_deploy";
  readonly command: readonly string[];
  /** The command in one line, for a person. */
  readonly shown: string;
  /** It is ended after so many. */
  readonly seconds: number;
  /** Runs it; ends with 1, having said why, where it failed. To be run in a shell of its own. */
  readonly run: Script;
}

/** The container in which a service's hooks run, one after the other: no copy of it has this name. */
export function hookContainerOf(stack: string, service: string): string {
  return `${stack}-${service}-hook`;
}

/** How the release would stand in one of the two slots. */
export interface SlotPlan {
  readonly slot: SlotName;
  readonly files: readonly SlotFile[];
  /** One a replica. */
  readonly units: readonly string[];
  /** Every unit the slot could ever have had; those beyond `units` are taken away. */
  readonly possibleUnits: readonly string[];
  /** What is said of its traffic: the mark's line, and behind it what Caddy reads of the slot (traffic.ts). */
  readonly upstream: string;
  /** What runs once in the image of a release that comes here. */
  readonly hooks?: readonly HookPlan[];
  /** For each of `units`: defines a function `healthy` that asks it, and sets `reply` where it is not. */
  readonly checks?: readonly Script[];
}

/**
 * How the replicas of a stateful service are exchanged: one stops, its successor starts and becomes well, then the next. Two of the same
 * replica never run at once, and the others have the traffic meanwhile (templates/run/exchange.sh).
 */
export interface ExchangePlan {
  /** Path of the marks without their number, below /run: a boot starts every replica of the release that serves, and finds no mark. */
  readonly marks: string;
  /** What Caddy does where a mark is there, for all of them: it stands before all else in the service's routing. */
  readonly routing: string;
  /** Where the replicas listen on the host. */
  readonly addresses: Readonly<Record<SlotName, readonly string[]>>;
}

/** As long as most requests take at all; streams are asked for. */
export const defaultDrainSeconds = 30;

/**
 * One version of a container service. A new one starts in the idle slot beside the active one, must become healthy,
 * takes the traffic, and only then the old one stops.
 */
export interface ReleaseResource extends Resource {
  readonly kind: "release";
  readonly stack: string;
  readonly service: string;
  readonly stackDirectory: string;
  /** In Caddy's configuration; the files beside it say where the traffic goes (facts/containers/traffic.ts). */
  readonly upstreamPath: string;
  readonly slots: { readonly a: SlotPlan; readonly b: SlotPlan };
  /** Hash of all that makes this version, secrets left out. */
  readonly release: string;
  readonly image: string;
  readonly graceSeconds: number;
  /** Stops the old one first: it has data, or publishes a port that only one can have. */
  readonly exclusive: boolean;
  /** Several replicas of what is exclusive: they are exchanged one at a time. */
  readonly exchange?: ExchangePlan;
  /** The old one is stopped before `pre_deploy` runs, too: both would work on the same data. */
  readonly stopsForHook?: true;
  /** It is watched for so long once it has the traffic, while the old one can still have it back. */
  readonly watchSeconds?: number;
  /** So long the old one has for the requests and streams that it still has; absent, of one that was kept by an older version: 30. */
  readonly drainSeconds?: number;
  /** The command line says which image, and not the manifest: by these words. */
  readonly given?: string;
  /** Proved by a login from inside before traffic comes. */
  readonly seam?: {
    readonly user: string;
    readonly database: string;
    readonly role: string;
    /** Absent: the usual one. */
    readonly port?: string;
  };
  /** Folders of the host it has mounted. */
  readonly binds?: readonly string[];
  /** Tags of this repository that no release needs are removed. */
  readonly imageRepository?: string;
}
