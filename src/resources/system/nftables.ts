import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { othersWith } from "../../facts/neighbours.ts";
import { listingHashScript, nftablesFacts, openPortsPath } from "../../facts/system/nftables.ts";
import { sshdFacts, sshdSubject } from "../../facts/system/sshd.ts";
import { hostStampPath, readHostStamp, stampPath } from "../../facts/files/stamp.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { neighboursOf } from "../claims.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences, putStep } from "../files/file.ts";
import { isBackScript, putBackScript } from "../guard.ts";
import { claimTogether, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Guard, Resource, ResourceKind } from "../resource.ts";

/**
 * The host's one table of hostkit, made of what all its stacks open: a base file that is the same for every stack, and one part
 * for each stack, which the base includes. Loading replaces the table in one transaction and touches no other table. Guarded: rules
 * that shut the operator out are undone by the host itself.
 */
export interface NftablesResource extends Resource {
  readonly kind: "nftables";
  /** Family and name: "inet hostkit". */
  readonly table: string;
  /** The base. */
  readonly path: string;
  /** nft(8) text after the head: table and chains; may use `$ssh_ports`, which the head defines as the ports sshd has on that host. */
  readonly rules: string;
  /** nft(8) text behind the parts. */
  readonly closing: string;
  /** `add rule` lines of this stack. */
  readonly part: { readonly path: string; readonly rules: string };
  readonly stackDirectory: string;
  readonly guardSeconds: number;
}

/** The one table of all stacks of a host. */
export const firewallTable = "inet hostkit";

/** The id of a table. */
export const nftablesId = idsOf("nftables");

/** The host's one table of hostkit. */
export const firewallId = nftablesId(firewallTable);

/** Builds the firewall resource; `nftables:inet hostkit` is its id. */
export function nftablesTable(
  table: string,
  path: string,
  text: Pick<NftablesResource, "rules" | "closing" | "part">,
  stackDirectory: string,
  options: { guardSeconds?: number; after?: NftablesResource["after"] } = {},
): NftablesResource {
  return {
    kind: "nftables",
    name: table,
    table,
    path,
    ...text,
    stackDirectory,
    guardSeconds: options.guardSeconds ?? 30,
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** Held by whoever loads the table, so that an undo at boot and the boot's own load cannot cross. */
export const firewallLock = "/run/hostkit-firewall.lock";

const stampName = "firewall";
const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

/** Every stack's part. */
const parts = openPortsPath("*");

/** The base: head (replace only our own table, sshd's ports), rules, parts, closing. */
export function renderRuleset(
  resource: Pick<NftablesResource, "table" | "rules" | "closing">,
  sshPorts: readonly number[],
): string {
  const { head, tail } = renderBase(resource, sshPorts);
  return `${head}include "${parts}"\n${tail}`;
}

function renderBase(
  resource: Pick<NftablesResource, "table" | "rules" | "closing">,
  sshPorts: readonly number[],
): { head: string; tail: string } {
  return {
    head: `#!/usr/sbin/nft -f
# Written by hostkit. Replaces the table ${resource.table} in one transaction; other tables stay as they are.
table ${resource.table}
delete table ${resource.table}
define ssh_ports = { ${sshPorts.join(", ")} }
${resource.rules}`,
    tail: resource.closing,
  };
}

/** What `hashLoaded` prints on the host. */
function hashOf(resource: NftablesResource, base: string, facts: Facts): string {
  const files = {
    ...facts.get(nftablesFacts, resource.table)?.files,
    [resource.part.path]: hashText(resource.part.rules),
  };
  const lines = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, sha256]) => `${sha256}  ${path}\n`);
  return hashText([`${hashText(base)}  ${resource.path}\n`, ...lines].join(""));
}

function hashLoaded(path: string): Script {
  return sh`sha256sum ${path} ${rawScript(parts)} | sha256sum | cut -c1-64`;
}

export const nftablesKind: ResourceKind<NftablesResource> = {
  kind: "nftables",
  group: "firewall",
  touches: () => ["firewall"],
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, renderRuleset(resource, [22])),
    need(fileFacts, resource.part.path),
    need(textFacts, resource.part.path, resource.part.rules),
    need(nftablesFacts, resource.table, resource.part.path),
    need(sshdFacts, sshdSubject),
    need(textFacts, hostStampPath(stampName)),
  ],

  diff(resource, facts): Change | undefined {
    const ports = facts.get(sshdFacts, sshdSubject)?.ports ?? [];
    const sshPorts = ports.length === 0 ? [22] : ports;
    const base = renderRuleset(resource, sshPorts);
    const wanted = { path: resource.path, content: { text: base }, ...rootFile };
    const part = { path: resource.part.path, content: { text: resource.part.rules }, ...rootFile };
    const reasons = [
      ...(findDifferences(part, facts) ?? []),
      ...(findDifferences(wanted, facts) ?? []).map((reason) => `${resource.path} ${reason}`),
    ];
    const listing = facts.get(nftablesFacts, resource.table)?.listing;
    const [loaded, loadedListing] = (readHostStamp(facts, stampName) ?? "").split(" ");
    const hash = hashOf(resource, base, facts);
    if (listing === undefined) reasons.push("table is not loaded");
    else if (loaded !== hash) reasons.push("other rules are loaded");
    else if (loadedListing !== listing) reasons.push("live rules were changed by hand");
    if (reasons.length === 0) return undefined;
    const { head, tail } = renderBase(resource, sshPorts);
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, part.path) === undefined ? "create" : "update",
      because: reasons.join(", "),
      difference: [
        ...diffLines(facts.get(textFacts, part.path) ?? "", resource.part.rules),
        ...diffLines(facts.get(textFacts, resource.path) ?? base, base),
      ],
      invalidates: [hostStampPath(stampName)],
      guard: guardTable(resource, resource.guardSeconds, [resource.path, part.path]),
      steps: [
        { type: "upload", as: "head", content: { text: head } },
        { type: "upload", as: "part", content: part.content },
        { type: "upload", as: "tail", content: { text: tail } },
        { type: "script", title: "check the firewall rules", script: checkScript(part.path) },
        putStep(part, { isOwned: true }),
        putStep(wanted, { isOwned: true }),
        {
          type: "script",
          title: "load the firewall rules",
          script: sh`${loadScript(resource.table, resource.path)}
${forgetOld(resource.stackDirectory)}`,
        },
      ],
    };
  },

  claims: (resource) => [claimTogether(idOf(resource))],
  own: (resource) => ({
    kind: "nftables",
    name: resource.name,
    table: resource.table,
    path: resource.part.path,
    base: resource.path,
  }),
  removesOwnPart: true,
  removalNeeds: (owned) => [
    need(nftablesFacts, owned.name, String(owned["path"])),
    need(fileFacts, String(owned["path"])),
  ],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    const table = String(owned["table"]);
    const fact = facts.get(nftablesFacts, owned.name);
    if (
      !context.isUnfinished &&
      fact?.listing === undefined &&
      facts.get(fileFacts, path) === undefined
    )
      return undefined;
    // A stack that claims it but has no part yet has nothing open: it will load the table itself.
    const [opened] = Object.keys(fact?.files ?? {}).filter((file) => file !== path);
    const [old] = othersWith(neighboursOf(facts, context.stackDirectory), idOf(owned)).filter(
      ({ neighbour }) => neighbour.isOld === true,
    );
    const other = opened?.split("/").at(-2) ?? old?.neighbour.stack;
    const base = owned["base"];
    if (other === undefined)
      return removeByScript(
        owned,
        "remove the firewall",
        sh`rm -f ${[path, ...(typeof base === "string" ? [base] : []), hostStampPath(stampName)]}
${forgetOld(context.stackDirectory)}
${deleteTable(table)}`,
      );
    const isOld = typeof base !== "string" || opened === undefined;
    return {
      ...removeByScript(
        owned,
        `leave the firewall to stack ${other}`,
        isOld
          ? sh`rm -f ${path}`
          : sh`rm -f ${path}
${forgetOld(context.stackDirectory)}
[ ! -e ${base} ] || {
${loadScript(table, base)}
}`,
        `stack ${other} has one too`,
      ),
      // What the other stack opens need not be the way by which somebody is logged in here.
      ...(isOld ? {} : { guard: guardTable({ table }, 30, [path]) }),
    };
  },
};

function words(table: string): readonly string[] {
  return table.split(" ");
}

function deleteTable(table: string): Script {
  return sh`if command -v nft >/dev/null && nft list table ${words(table)} >/dev/null 2>&1; then nft delete table ${words(table)}; fi`;
}

/** All as it would be loaded, the other stacks' parts too. */
function checkScript(part: string): Script {
  return sh`{ cat head
for f in ${rawScript(parts)}; do
  [ "$f" = ${part} ] || [ ! -e "$f" ] || cat "$f"
done
cat part tail; } >whole.nft
nft -c -f whole.nft`;
}

function loadScript(table: string, path: string): Script {
  const stamp = hostStampPath(stampName);
  return sh`flock ${firewallLock} nft -f ${path}
listing=$(${listingHashScript(table)})
hash=$(${hashLoaded(path)})
printf '%s %s' "$hash" "$listing" >${`${stamp}.new`}
mv -f ${`${stamp}.new`} ${stamp}`;
}

/** The rules of a hostkit that knew one stack a host, once no unit loads them any more. */
function forgetOld(stackDirectory: string): Script {
  const stack = stackDirectory.slice(stackDirectory.lastIndexOf("/") + 1);
  return sh`rm -f ${stampPath(stackDirectory, "nftables")}
[ -e ${`/etc/systemd/system/hostkit-firewall-${stack}.service`} ] || rm -f ${`/etc/hostkit/${stack}/firewall.nft`}`;
}

function guardTable(
  { table }: Pick<NftablesResource, "table">,
  seconds: number,
  paths: readonly string[],
): Guard {
  const kept = paths.map((path, index) => ({ path, copy: `firewall.old${index}` }));
  return {
    seconds,
    save: joinScripts([
      sh`printf 'table %s\\ndelete table %s\\n' ${table} ${table} >table.nft
nft list table ${words(table)} >>table.nft 2>/dev/null || true
nft -s list table ${words(table)} >listing 2>/dev/null || true`,
      ...kept.map(
        ({ path, copy }) => sh`rm -f ${copy}
if [ -e ${path} ]; then cp -a ${path} ${copy}; fi`,
      ),
    ]),
    // The rules first: they are what shuts people out.
    undo: joinScripts([
      sh`flock ${firewallLock} nft -f table.nft
loaded=$?
rm -f ${hostStampPath(stampName)}`,
      ...kept.map(({ path, copy }) => putBackScript(copy, path)),
      sh`exit "$loaded"`,
    ]),
    check: joinScripts([
      sh`nft -s list table ${words(table)} >now 2>/dev/null || true
cmp listing now || { echo ${`the table ${table} is not the one before`} >&2; exit 1; }`,
      ...kept.map(({ path, copy }) => isBackScript(copy, path)),
    ]),
  };
}
