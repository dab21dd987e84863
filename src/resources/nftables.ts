import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { Facts } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { hashText } from "../facts/hash.ts";
import { listingHashScript, nftablesFacts } from "../facts/nftables.ts";
import { sshdFacts, sshdSubject } from "../facts/sshd.ts";
import { readStamp, stampPath } from "../facts/stamp.ts";
import { sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { diffLines } from "./difference.ts";
import { findDifferences, putStep } from "./file.ts";
import { isBackScript, putBackScript } from "./guard.ts";
import { restoreScript } from "./preimage.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Guard, Resource, ResourceKind } from "./resource.ts";

/**
 * One nftables table of our own: its file, and the same rules live in the kernel. The rule file replaces the table in one
 * transaction and touches no other table. Guarded: rules that shut the operator out are undone by the host itself.
 */
export interface NftablesResource extends Resource {
  readonly kind: "nftables";
  /** Family and name: "inet hostkit". */
  readonly table: string;
  readonly path: string;
  /** nft(8) text after the head; may use `$ssh_ports`, which the head defines as the ports sshd has on that host. */
  readonly rules: string;
  readonly stackDirectory: string;
  readonly guardSeconds: number;
}

/** Builds the firewall resource; `nftables:inet hostkit` is its id. */
export function nftablesTable(
  table: string,
  path: string,
  rules: string,
  stackDirectory: string,
  options: { guardSeconds?: number; after?: NftablesResource["after"] } = {},
): NftablesResource {
  return {
    kind: "nftables",
    name: table,
    table,
    path,
    rules,
    stackDirectory,
    guardSeconds: options.guardSeconds ?? 30,
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** Held by whoever loads the table, so that an undo at boot and the boot's own load cannot cross. */
export const firewallLock = "/run/hostkit-firewall.lock";

const stampName = "nftables";
const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

/** The file's text: head (replace only our own table, sshd's ports) and rules. */
export function renderRuleset(
  resource: Pick<NftablesResource, "table" | "rules">,
  sshPorts: readonly number[],
): string {
  return `#!/usr/sbin/nft -f
# Written by hostkit. Replaces the table ${resource.table} in one transaction; other tables stay as they are.
table ${resource.table}
delete table ${resource.table}
define ssh_ports = { ${sshPorts.join(", ")} }
${resource.rules}`;
}

export const nftablesKind: ResourceKind<NftablesResource> = {
  kind: "nftables",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, renderRuleset(resource, [22])),
    need(nftablesFacts, resource.table, resource.path),
    need(sshdFacts, sshdSubject),
    need(textFacts, stampPath(resource.stackDirectory, stampName)),
  ],

  diff(resource, facts, context): Change | undefined {
    const ports = facts.get(sshdFacts, sshdSubject)?.ports ?? [];
    const text = renderRuleset(resource, ports.length === 0 ? [22] : ports);
    refuseOtherOwner(resource, facts, text);
    const wanted = { ...resource, content: { text }, ...rootFile };
    const reasons = findDifferences(wanted, facts) ?? [];
    const listing = facts.get(nftablesFacts, resource.table)?.listing;
    const [loaded, loadedListing] = (
      readStamp(facts, resource.stackDirectory, stampName) ?? ""
    ).split(" ");
    if (listing === undefined) reasons.push("table is not loaded");
    else if (loaded !== hashText(text)) reasons.push("other rules are loaded");
    else if (loadedListing !== listing) reasons.push("live rules were changed by hand");
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, resource.path) === undefined ? "create" : "update",
      because: reasons.join(", "),
      difference: diffLines(facts.get(textFacts, resource.path) ?? "", text),
      invalidates: [stampPath(resource.stackDirectory, stampName)],
      guard: guardTable(resource),
      steps: [
        { type: "upload", as: "firewall.nft", content: { text } },
        { type: "script", title: "check the firewall rules", script: sh`nft -c -f firewall.nft` },
        putStep(wanted, context),
        {
          type: "script",
          title: "load the firewall rules",
          script: loadScript(resource, hashText(text)),
        },
      ],
    };
  },

  own: (resource) => ({
    kind: "nftables",
    name: resource.name,
    table: resource.table,
    path: resource.path,
  }),
  removalNeeds: (owned) => [
    need(nftablesFacts, owned.name),
    need(fileFacts, String(owned["path"])),
  ],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    const fact = facts.get(nftablesFacts, owned.name);
    if (
      !context.isUnfinished &&
      fact?.listing === undefined &&
      facts.get(fileFacts, path) === undefined
    )
      return undefined;
    const others = Object.keys(fact?.files ?? {}).filter((other) => other !== path);
    return removeByScript(
      owned,
      others.length === 0 ? "remove the firewall" : "leave the firewall to the other stack",
      sh`${restoreScript(path, context)}
rm -f ${stampPath(context.stackDirectory, stampName)}
${others.length === 0 ? deleteTable(String(owned["table"])) : sh``}`,
    );
  },
};

function words(table: string): readonly string[] {
  return table.split(" ");
}

function deleteTable(table: string): Script {
  return sh`if command -v nft >/dev/null && nft list table ${words(table)} >/dev/null 2>&1; then nft delete table ${words(table)}; fi`;
}

/** Two stacks with different rules would take the table from each other with every provision. */
function refuseOtherOwner(resource: NftablesResource, facts: Facts, text: string): void {
  const files = facts.get(nftablesFacts, resource.table)?.files ?? {};
  const other = Object.entries(files).find(
    ([path, sha256]) => path !== resource.path && sha256 !== hashText(text),
  );
  if (other === undefined) return;
  throw new HostkitError("manifest_invalid", {
    what: "another stack on this host has a firewall with other rules",
    where: other[0],
    why: "the host has one set of open ports, and one stack must own it",
    next: "write `firewall: none` in one of the manifests, and list both stacks' ports in `firewall.allow` of the other",
  });
}

function loadScript(resource: NftablesResource, hash: string): Script {
  const stamp = stampPath(resource.stackDirectory, stampName);
  return sh`flock ${firewallLock} nft -f ${resource.path}
listing=$(${listingHashScript(resource.table)})
printf '%s %s' ${hash} "$listing" >${`${stamp}.new`}
mv -f ${`${stamp}.new`} ${stamp}`;
}

function guardTable(resource: NftablesResource): Guard {
  const { path, table } = resource;
  return {
    seconds: resource.guardSeconds,
    save: sh`rm -f firewall.old
printf 'table %s\\ndelete table %s\\n' ${table} ${table} >table.nft
nft list table ${words(table)} >>table.nft 2>/dev/null || true
nft -s list table ${words(table)} >listing 2>/dev/null || true
if [ -e ${path} ]; then cp -a ${path} firewall.old; fi`,
    // The rules first: they are what shuts people out.
    undo: sh`flock ${firewallLock} nft -f table.nft
loaded=$?
rm -f ${stampPath(resource.stackDirectory, stampName)}
${putBackScript("firewall.old", path)}
exit "$loaded"`,
    check: sh`nft -s list table ${words(table)} >now 2>/dev/null || true
cmp listing now || { echo ${`the table ${table} is not the one before`} >&2; exit 1; }
${isBackScript("firewall.old", path)}`,
  };
}
