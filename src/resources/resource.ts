import type { ErrorCode } from "../errors.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import type { Claim } from "../facts/neighbours.ts";
import type { Script } from "../shell/script.ts";
import type { Blob } from "./blob.ts";
import type { Delivery } from "./containers/packed-image.ts";

export type { Blob } from "./blob.ts";

/** `kind:name`, unique within a stack: `file:/etc/caddy/Caddyfile`. */
export type ResourceId = `${string}:${string}`;

/** Bytes for the host. A secret is text, or bytes where it is none; it is never shown, diffed or logged. A blob is streamed from the controller's disk. */
export type Content =
  | { readonly text: string }
  | { readonly secret: string | Uint8Array }
  | { readonly blob: Blob };

/** Makes ids of one kind; each kind exports its own. */
export function idsOf<K extends string>(kind: K): (name: string) => `${K}:${string}` {
  return (name) => `${kind}:${name}`;
}

/** What every resource has. A resource is plain data; its kind knows what to do with it. */
export interface Resource {
  readonly kind: string;
  readonly name: string;
  /** Resources that must be in place before this one is touched. */
  readonly after?: readonly ResourceId[];
  /** Of `after`, what it is only put behind: it does without them (a target, and the units that it pulls in). */
  readonly behind?: readonly ResourceId[];
  /** Of `after`, what has to be there, whichever version of it (a proxy, and the services that it sends requests to). */
  readonly joins?: readonly ResourceId[];
  /** What single services need of it. */
  readonly serves?: readonly ServedPart[];
  /**
   * The host has one such thing, and other stacks may want the same. "default": nobody wrote it into the manifest, so that it gives
   * way to what another stack's manifest says.
   */
  readonly shared?: "default" | "said";
  /** Whose it is, for whoever reads a plan; absent: the host's. */
  readonly heading?: Heading;
}

/** What a plan's page puts changes under: a service by its name, or what all services share. */
export type Heading =
  | { readonly service: string }
  | { readonly shared: "proxy" | "database" | "backups" | "host" };

/** A service's part in what several share: while the file does not hold the text, the service lacks it. */
export interface ServedPart {
  readonly service: string;
  /** Of a file that the resource, or what it stands behind, reads as a text. */
  readonly path: string;
  readonly text: string;
}

/** How long a step may take, and what it waits for then: "the registry". Long work is shown by its last line every half minute. */
export interface Bound {
  readonly seconds: number;
  readonly waitsFor: string;
}

/** One command line or upload of a change. */
export type Step =
  | {
      readonly type: "script";
      /** Short, for the terminal: "restart dxcluster-api-a.service". */
      readonly title: string;
      /** Runs as root under `sh -eu`, cwd = the change's folder in the run (see docs/architecture.md). */
      readonly script: Script;
      readonly stdin?: Content;
      /** Without it the step is ended after ten minutes. */
      readonly bound?: Bound;
    }
  | {
      readonly type: "put";
      /** Written to a temporary name beside it, then renamed: never half a file. */
      readonly path: string;
      readonly content: Content;
      readonly mode: string;
      readonly owner: string;
      readonly group: string;
      /** Keep a copy of what stood there before hostkit first replaced it. */
      readonly preimage?: boolean;
    }
  | {
      readonly type: "upload";
      /** Relative to the change's folder; where a later script step of the same change finds it. */
      readonly as: string;
      readonly content: Content;
    };

/**
 * Commit-confirmed: undone by the host itself unless the controller confirms over a new connection. The scripts run in the guard's own
 * folder, which lasts until the guard is settled.
 */
export interface Guard {
  readonly seconds: number;
  /** Runs first; keeps what `undo` and `check` need. */
  readonly save: Script;
  /** Puts the old state back. Runs when the time is over, at boot, or by the next run; may run several times. */
  readonly undo: Script;
  /** Fails, saying why, unless the old state is there. Runs after `undo`: only then is anything called put back. */
  readonly check: Script;
}

export type Action = "create" | "update" | "restart" | "reload" | "run" | "delete";

/** Why a change cannot be made, known from looking alone: the run is refused before it begins. */
export interface Refusal {
  /** Default: `manifest_invalid`. */
  readonly code?: ErrorCode;
  /** One line, no trailing period. */
  readonly what: string;
  readonly why?: string;
  readonly next?: string;
  readonly details?: readonly string[];
}

/** What a kind's `diff` answers. */
export interface Change {
  readonly id: ResourceId;
  readonly action: Action;
  /** Why, for a person: "mode is 0644, should be 0640". */
  readonly because: string;
  readonly steps: readonly Step[];
  readonly guard?: Guard;
  /** Unified-diff-like lines for `plan`; never of secret content. */
  readonly difference?: readonly string[];
  /** What every plan says of it besides why, line by line: what happens along with it. */
  readonly notes?: readonly string[];
  /** Its steps only fail with these words, for a host that was asked before it could answer. */
  readonly refusal?: Refusal;
  /** What apt is to install, in its words (`name`, `name=version`), so that it can be asked before the run. */
  readonly installs?: readonly string[];
  /** What does not answer while the change is made, and on which condition; of units that are restarted their action says it. */
  readonly away?: { readonly what: string; readonly onlyIf?: string };
  /** Files that it writes beside the ones in use until then: new path → the one in use. */
  readonly insteadOf?: Readonly<Record<string, string>>;
  /** An image of which those layers go to the host, before the run begins, that it lacks. */
  readonly delivers?: Delivery;
  /** Packages on hold that would have to change: nobody does that. */
  readonly changesHeld?: readonly string[];
  /** Stamp files removed before anything of the run starts, so that an interrupted run is noticed by the next plan. */
  readonly invalidates?: readonly string[];
}

/** What the host's state file remembers of a resource, enough to remove it without the manifest. JSON, no secrets. */
export type Owned = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly name: string;
  readonly after?: readonly ResourceId[];
};

export interface DiffContext {
  /** Folder of the stack on the host: /var/lib/hostkit/<stack>. */
  readonly stackDirectory: string;
  /** Ids that already have a change in this plan (all of the resource's `after` were looked at before it). */
  readonly changed: ReadonlySet<ResourceId>;
  /** True where the state file lists this resource as hostkit's, or another stack's hostkit has made it. */
  readonly isOwned: boolean;
  /**
   * A run began this change, or one that it has to follow, and did not come to its end. What facts cannot tell (that a program has read
   * a file anew) is then to be done again.
   */
  readonly isUnfinished: boolean;
  /** What the state file remembers of it. */
  readonly owned?: Owned;
}

/** What is known when something becomes hostkit's. */
export interface OwnContext {
  readonly facts: Facts;
  /** What the state file said before. */
  readonly owned?: Owned;
}

export interface RemoveContext {
  readonly stackDirectory: string;
  /** As in `DiffContext`: that the first thing it takes away is gone does not mean that the others are. */
  readonly isUnfinished: boolean;
  /** Databases, volumes, backup repositories, data directories go too. */
  readonly deleteData: boolean;
}

/** The headings under which a plan shows its changes. */
export type Group =
  | "packages"
  | "users"
  | "host"
  | "files"
  | "database"
  | "containers"
  | "proxy"
  | "backups"
  | "firewall"
  | "units"
  | "other";

/** What a change may disturb, for whoever looks at the host before a run. */
export type Touch = "certificates" | "firewall" | "postgres";

/**
 * A resource kind: the facts it needs, the difference to what is there, and the way back. All pure.
 */
export interface ResourceKind<R extends Resource> {
  readonly kind: string;
  readonly group: Group;
  /** What a change to this one may disturb; absent: nothing that anybody asks about. */
  touches?(resource: Pick<Resource, "kind" | "name">): readonly Touch[];
  needs(resource: R): readonly FactNeed[];
  /** undefined: as it should be. */
  diff(resource: R, facts: Facts, context: DiffContext): Change | undefined;
  /**
   * What to remember for removal; undefined: nothing to own (a check, a one-off).
   * @param context absent where nothing is known of the host
   */
  own(resource: R, context?: OwnContext): Owned | undefined;
  /** What of the host it takes that others could want too. */
  claims?(resource: R): readonly Claim[];
  /** `remove` takes away only what this stack contributed; without it what other stacks claim is left to them. */
  readonly removesOwnPart?: true;
  /** Facts needed to plan a removal. */
  removalNeeds?(owned: Owned): readonly FactNeed[];
  /** Whether what `own` remembered is surely not there any more: somebody has removed it by hand. Asked of what nobody wants. */
  isGone?(owned: Owned, facts: Facts): boolean;
  /** How to take away what `own` remembered. undefined: nothing is to be done (for example data that is kept). */
  remove(owned: Owned, facts: Facts, context: RemoveContext): Change | undefined;
}

/** The id of a resource. */
export function idOf(resource: { readonly kind: string; readonly name: string }): ResourceId {
  return `${resource.kind}:${resource.name}`;
}

/** Only one stack of a host may have it. */
export function claimAlone(resource: Pick<Resource, "kind" | "name">): Claim {
  return { thing: idOf(resource), mode: "alone" };
}

/** All stacks that have it want the same. */
export function claimSame(
  resource: Resource,
  value: string,
  thing: string = idOf(resource),
): Claim {
  return {
    thing,
    mode: "same",
    value,
    ...(resource.shared === "default" ? { isDefault: true as const } : {}),
  };
}

/** Each stack has its part in it. */
export function claimTogether(thing: string, value?: string): Claim {
  return { thing, mode: "together", ...(value === undefined ? {} : { value }) };
}

/**
 * The change of a thing that one script makes or sets right.
 * @param isThere it only differs
 */
export function makeByScript(
  resource: Pick<Resource, "kind" | "name">,
  isThere: boolean,
  because: string,
  step: Omit<Extract<Step, { type: "script" }>, "type">,
): Change {
  return {
    id: idOf(resource),
    action: isThere ? "update" : "create",
    because,
    steps: [{ type: "script", ...step }],
  };
}

/** The change that takes something away by one script. */
export function removeByScript(
  owned: Pick<Owned, "kind" | "name">,
  title: string,
  script: Script,
  because = "no longer in the manifest",
  bound?: Bound,
): Change {
  return {
    id: idOf(owned),
    action: "delete",
    because,
    steps: [{ type: "script", title, script, ...(bound === undefined ? {} : { bound }) }],
  };
}
