import {
  claimsPath,
  neighbourFacts,
  othersWith,
  parseClaims,
  renderClaims,
} from "../facts/neighbours.ts";
import type { Claim, Neighbour } from "../facts/neighbours.ts";
import { need } from "../facts/fact.ts";
import type { Facts } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { findDifferences, putStep } from "./files/file.ts";
import { preimagePath } from "./files/preimage.ts";
import { idOf, idsOf, removeByScript } from "./resource.ts";
import type { Change, Owned, Resource, ResourceId, ResourceKind } from "./resource.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";

/** A claim, and the resource it is made for; that is not written down. Absent: for the stack as a whole. */
export interface OwnClaim extends Claim {
  readonly of?: ResourceId;
}

/**
 * What this stack has on the host that others could want too, written down before anything of it is done. Every stack's plan
 * reads the others' lists; that is how nobody takes away, overwrites or closes what is not his.
 */
export interface ClaimsResource extends Resource {
  readonly kind: "claims";
  readonly name: "host";
  readonly stackDirectory: string;
  readonly claims: readonly OwnClaim[];
}

/** The one resource that everything else waits for. */
export const claimsId = idsOf("claims")("host");

/** True for the claims among resources. */
export function isClaims(resource: Resource): resource is ClaimsResource {
  return idOf(resource) === claimsId;
}

/** Builds the claims resource. */
export function claimsOf(stackDirectory: string, claims: readonly OwnClaim[]): ClaimsResource {
  return { kind: "claims", name: "host", stackDirectory, claims };
}

/**
 * What the stack has once only some of its resources were seen to: what is written down stays, for it may still be there.
 * @param facts of the claims' own needs
 */
export function narrowClaims(
  resource: ClaimsResource,
  facts: Facts,
  isMeant: (id: ResourceId) => boolean,
): ClaimsResource {
  const claims = resource.claims.filter(({ of }) => of !== undefined && isMeant(of));
  const things = new Set(claims.map(({ thing }) => thing));
  const written = parseClaims(facts.get(textFacts, claimsPath(resource.stackDirectory)) ?? "");
  return { ...resource, claims: [...written.filter(({ thing }) => !things.has(thing)), ...claims] };
}

/** The other stacks on the host; needs `need(neighbourFacts, stackDirectory)`. */
export function neighboursOf(facts: Facts, stackDirectory: string): readonly Neighbour[] {
  return facts.get(neighbourFacts, stackDirectory) ?? [];
}

function textOf({ claims }: ClaimsResource): string {
  return renderClaims(claims.map(({ of: _of, ...claim }) => claim));
}

function fileOf(resource: ClaimsResource): Parameters<typeof putStep>[0] {
  return {
    path: claimsPath(resource.stackDirectory),
    content: { text: textOf(resource) },
    mode: "0600",
    owner: "root",
    group: "root",
  };
}

export const claimsKind: ResourceKind<ClaimsResource> = {
  kind: "claims",
  group: "other",
  needs: (resource) => [
    need(fileFacts, claimsPath(resource.stackDirectory)),
    need(textFacts, claimsPath(resource.stackDirectory), textOf(resource)),
    need(neighbourFacts, resource.stackDirectory),
  ],

  diff(resource, facts): Change | undefined {
    const file = fileOf(resource);
    const reasons = findDifferences(file, facts);
    if (reasons === undefined) return undefined;
    const isNew = facts.get(fileFacts, file.path) === undefined;
    return {
      id: idOf(resource),
      action: isNew ? "create" : "update",
      because: isNew
        ? "what the stack has on this host is not written down yet"
        : "what the stack has on this host is another",
      steps: [putStep(file, { isOwned: true })],
    };
  },

  own: () => ({ kind: "claims", name: "host" }),

  remove: (owned, _facts, context) =>
    removeByScript(
      owned,
      "forget what the stack had on this host",
      sh`rm -f ${claimsPath(context.stackDirectory)}`,
    ),
};

/** Where a claim of ours and one of a neighbour do not go together; one line for a person, undefined where they do. */
export function findClash(ours: Claim, theirs: Claim, neighbour: Neighbour): string | undefined {
  const what = describeThing(ours.thing);
  if (neighbour.isOld === true)
    return splitThing(ours.thing).kind === "unit" && ours.mode === "same"
      ? undefined
      : `${what}: stack ${neighbour.stack} has it, left over or from a hostkit that did not write down what it shares`;
  if (ours.mode === "alone" || theirs.mode === "alone")
    return `${what}: stack ${neighbour.stack} has it`;
  if (ours.mode !== "same" || theirs.mode !== "same" || ours.value === theirs.value)
    return undefined;
  if (ours.isDefault === true || theirs.isDefault === true) return undefined;
  const isShort = [ours.value, theirs.value].every(
    (value) => value !== undefined && value.length <= 40 && !value.includes("\n"),
  );
  return isShort
    ? `${what}: stack ${neighbour.stack} has set it to ${theirs.value}, this one wants ${ours.value}`
    : `${what}: stack ${neighbour.stack} has set it to something else`;
}

const words: Readonly<Record<string, string>> = {
  site: "site",
  port: "port",
  sysctl: "kernel setting",
  setting: "setting",
};

/** What a claim names, in a file that another hostkit may have written. */
function splitThing(thing: string): { readonly kind: string; readonly name: string } {
  const at = thing.indexOf(":");
  return { kind: thing.slice(0, at), name: thing.slice(at + 1) };
}

function describeThing(thing: string): string {
  const { kind, name } = splitThing(thing);
  return `${words[kind] ?? kind} ${name}`;
}

/**
 * True for a default that another stack's manifest, or an older or newer hostkit there, has decided otherwise: it is left as
 * that stack has it.
 */
export function givesWay(claims: readonly Claim[], neighbours: readonly Neighbour[]): boolean {
  return claims.some(
    (ours) =>
      ours.mode === "same" &&
      ours.isDefault === true &&
      othersWith(neighbours, ours.thing).some(
        ({ claim }) => claim.mode === "same" && claim.value !== ours.value,
      ),
  );
}

/** The removal of what others have too: it stays, and whoever is last puts back what stood there before hostkit. */
export function leaveToOthers(
  owned: Owned,
  neighbours: readonly Neighbour[],
  facts: Facts,
  stackDirectory: string,
): Change | undefined {
  const others = othersWith(neighbours, idOf(owned));
  const [first] = others;
  if (first === undefined) return undefined;
  const next = others.find(({ claim }) => claim.isDefault !== true) ?? first;
  const change = removeByScript(
    owned,
    `leave ${owned.name} to stack ${next.neighbour.stack}`,
    handOver(
      typeof owned["path"] === "string"
        ? preimagePath(owned["path"], stackDirectory)
        : `${stackDirectory}/preimages/${owned.kind}`,
      next.neighbour.stack,
    ),
    `stack ${next.neighbour.stack} has it too`,
  );
  const { value } = next.claim;
  if (owned.kind !== "file" || value === undefined || next.claim.mode !== "same") return change;
  const file = {
    path: owned.name,
    content: { text: value },
    mode: "0644",
    owner: "root",
    group: "root",
  };
  if (findDifferences(file, facts) === undefined) return change;
  return {
    ...change,
    steps: [...change.steps, putStep(file, { isOwned: true })],
  };
}

/**
 * Gives the copy of what stood there before hostkit to another stack.
 * @param kept where this stack has it: `/var/lib/hostkit/<stack>/…`
 */
export function handOver(kept: string, stack: string): Script {
  const theirs = kept.replace(/^(\/var\/lib\/hostkit\/)[^/]+/, `$1${stack}`);
  return sh`if [ ! -e ${theirs} ] && [ ! -e ${`${theirs}.none`} ]; then
  for f in ${kept} ${`${kept}.none`}; do
    if [ -e "$f" ]; then mv -f "$f" ${theirs.slice(0, theirs.lastIndexOf("/"))}; fi
  done
fi`;
}
