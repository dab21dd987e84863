import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { othersWith } from "../../facts/neighbours.ts";
import { secretFileFacts } from "../../facts/files/secret-file.ts";
import { hostStampPath, readHostStamp, readStamp, stampPath } from "../../facts/files/stamp.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { findForeignObstacle, isForeignCaddyfile } from "./caddy-foreign.ts";
import {
  caddyfilePath,
  handoverPath,
  http3ConfigPath,
  restartNote,
  sitesPath,
  sitesPattern,
} from "./caddy-places.ts";
import type { CaddyFile } from "./caddy-places.ts";
import { handoverNeed, noteReload } from "./handover.ts";
import { checkScript, placeScript, removeScript } from "./caddy-scripts.ts";
import { neighboursOf } from "../claims.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences } from "../files/file.ts";
import { keepScript } from "../files/preimage.ts";
import { splitBlock } from "../files/block.ts";
import { claimAlone, claimTogether, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind, Step } from "../resource.ts";
import { writeHostStampScript, writeStampScript } from "../units/unit.ts";

/** What the block says. */
const importLine = `import ${sitesPattern}\n`;

/** Marks of the block in a Caddyfile that somebody else wrote. */
const blockLabel = "sites";

/** The unit's drop-in, where the Caddyfile is hostkit's: somebody else's Caddy keeps the unit it has. */
const dropInPath = "/etc/systemd/system/caddy.service.d/60-hostkit.conf";
/** Its name before stacks shared Caddy; said the same. */
const formerDropInPath = "/etc/systemd/system/caddy.service.d/hostkit.conf";

const stampName = "caddy";
/** Says with which drop-in the unit was last started. */
const unitStampName = "caddy-unit";

/**
 * What a stack gives to the host's Caddy: its sites with their certificates. All of it is checked by Caddy itself, together with
 * what the other stacks and the owner of the host have, before any of it stands where a restart would read it.
 */
export interface CaddyResource extends Resource {
  readonly kind: "caddy";
  readonly stack: string;
  readonly stackDirectory: string;
  /** The whole main Caddyfile, the same for every stack. */
  readonly main: string;
  readonly dropIn: string;
  /** What the unit calls and begins with, besides the main Caddyfile. */
  readonly unitFiles: readonly CaddyFile[];
  /** This stack's part. */
  readonly sites: string;
  readonly siteNames: readonly string[];
  /** Certificates, keys, roots, in `caddyFolderOf(stack)`. */
  readonly files: readonly CaddyFile[];
}

/** Builds the one Caddy resource. */
export function caddy(
  parts: Omit<CaddyResource, "kind" | "name" | "after">,
  after: readonly ResourceId[],
): CaddyResource {
  return { kind: "caddy", name: caddyfilePath, ...parts, after };
}

const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

/** In the order in which they are put in place: what is named by another comes before it. */
function filesOf(resource: CaddyResource, main: string | undefined): CaddyFile[] {
  return [
    ...resource.files,
    { path: sitesPath(resource.stack), content: { text: resource.sites }, ...rootFile },
    ...(main === undefined ? [] : [{ path: caddyfilePath, content: { text: main }, ...rootFile }]),
  ];
}

/** The main Caddyfile as it should be, given the one that is there. */
function mainOf(resource: CaddyResource, present: string | undefined): string {
  if (present === undefined || !isForeignCaddyfile(present)) return resource.main;
  const { rest, inner } = splitBlock(present, blockLabel);
  if (inner === importLine) return present;
  const ended = rest === "" || rest.endsWith("\n") ? rest : `${rest}\n`;
  return `${ended}# begin hostkit ${blockLabel}\n${importLine}# end hostkit ${blockLabel}\n`;
}

/** Somebody's own Caddyfile keeps its mode and owner. */
function keepModes(files: readonly CaddyFile[], facts: Facts): CaddyFile[] {
  const standing = facts.get(fileFacts, caddyfilePath);
  return files.map((file) =>
    file.path === caddyfilePath && standing !== undefined
      ? { ...file, mode: standing.mode, owner: standing.owner, group: standing.group }
      : file,
  );
}

export const caddyKind: ResourceKind<CaddyResource> = {
  kind: "caddy",
  group: "proxy",
  touches: () => ["certificates"],
  needs: (resource) => [
    ...[...filesOf(resource, resource.main), ...resource.unitFiles].flatMap(
      ({ path, content }): FactNeed[] => [
        need(fileFacts, path),
        "text" in content ? need(textFacts, path, content.text) : need(secretFileFacts, path),
      ],
    ),
    need(fileFacts, dropInPath),
    need(textFacts, dropInPath, resource.dropIn),
    handoverNeed,
    need(fileFacts, formerDropInPath),
    need(textFacts, stampPath(resource.stackDirectory, stampName)),
    need(textFacts, hostStampPath(unitStampName)),
  ],

  diff(resource, facts, context): Change | undefined {
    const present = facts.get(textFacts, caddyfilePath);
    const isForeign = present !== undefined && isForeignCaddyfile(present);
    const main = mainOf(resource, present);
    const files = isForeign ? keepModes(filesOf(resource, main), facts) : filesOf(resource, main);
    const dropIn = { path: dropInPath, content: { text: resource.dropIn }, ...rootFile };
    const wanted = isForeign ? files : [...files, ...resource.unitFiles, dropIn];
    const reasons = wanted.flatMap((file) => {
      const why = findDifferences(file, facts);
      return why === undefined ? [] : [`${file.path} ${why.join(", ")}`];
    });
    const hash = hashText(`${resource.sites}\n${main}`);
    const isRead = readStamp(facts, resource.stackDirectory, stampName) === hash;
    if (reasons.length === 0 && (!isRead || context.isUnfinished))
      reasons.push("Caddy has not read it yet");
    if (reasons.length === 0) return undefined;
    const refusal = isForeign ? findForeignObstacle(present, resource.siteNames) : undefined;
    const needsRestart =
      !isForeign &&
      readHostStamp(facts, unitStampName) !== hashText(resource.dropIn) &&
      facts.get(fileFacts, formerDropInPath) === undefined;
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, sitesPath(resource.stack)) === undefined ? "create" : "update",
      because: reasons.join("; "),
      ...(refusal === undefined ? {} : { refusal }),
      difference: describeDifference(files, facts),
      ...(present === undefined
        ? {}
        : notesOf(needsRestart ? [restartNote] : noteReload(facts, { isForeign }))),
      invalidates: [
        stampPath(resource.stackDirectory, stampName),
        ...(needsRestart ? [hostStampPath(unitStampName)] : []),
      ],
      steps: [
        ...wanted.map(({ content }, index): Step => ({
          type: "upload",
          as: `files/caddy-${index}`,
          content,
        })),
        {
          type: "script",
          title: "let Caddy check all it would read",
          script: checkScript(resource.stack, wanted, isForeign),
        },
        {
          type: "script",
          title: needsRestart ? "restart Caddy with it" : "reload Caddy with it",
          script: joinScripts([
            placeScript(resource.stack, wanted, {
              isForeign,
              needsRestart,
              // Somebody's own Caddyfile only gets a block.
              keep: isForeign
                ? sh``
                : keepScript(caddyfilePath, resource.stackDirectory, !context.isOwned),
            }),
            writeStampScript(resource.stackDirectory, stampName, hash),
            isForeign ? sh`` : writeHostStampScript(unitStampName, hashText(resource.dropIn)),
          ]),
        },
      ],
    };
  },

  claims: (resource) => [
    claimTogether(idOf(resource)),
    ...resource.siteNames.map((name) => claimAlone({ kind: "site", name })),
  ],
  own: (resource) => ({ kind: "caddy", name: caddyfilePath, stack: resource.stack }),
  removesOwnPart: true,
  removalNeeds: () => [need(fileFacts, caddyfilePath), need(textFacts, caddyfilePath)],

  remove(owned, facts, context): Change | undefined {
    if (!context.isUnfinished && facts.get(fileFacts, caddyfilePath) === undefined)
      return undefined;
    const { stackDirectory } = context;
    const present = facts.get(textFacts, caddyfilePath) ?? "";
    const [other] = othersWith(neighboursOf(facts, stackDirectory), idOf(owned));
    const stack = stackDirectory.slice(stackDirectory.lastIndexOf("/") + 1);
    const isForeign = isForeignCaddyfile(present);
    return removeByScript(
      owned,
      other !== undefined
        ? `leave Caddy to stack ${other.neighbour.stack}`
        : isForeign
          ? `take hostkit's lines out of ${caddyfilePath}`
          : `restore ${caddyfilePath}`,
      removeScript({
        stack,
        stackDirectory,
        stamps: [
          stampPath(stackDirectory, stampName),
          ...(other === undefined ? [hostStampPath(unitStampName)] : []),
        ],
        ...(other === undefined
          ? { main: isForeign ? { text: splitBlock(present, blockLabel).rest } : "restore" }
          : { heir: other.neighbour.stack }),
        unitFiles: [dropInPath, formerDropInPath, handoverPath, http3ConfigPath],
      }),
      other === undefined ? undefined : `stack ${other.neighbour.stack} has sites too`,
    );
  },
};

function notesOf(notes: readonly string[]): Pick<Change, "notes"> {
  return notes.length === 0 ? {} : { notes };
}

function describeDifference(files: readonly CaddyFile[], facts: Facts): string[] {
  return files.flatMap(({ path, content }) => {
    if (!("text" in content)) return [];
    const lines = diffLines(facts.get(textFacts, path) ?? "", content.text);
    return lines.length === 0 ? [] : [`--- ${path}`, ...lines];
  });
}
