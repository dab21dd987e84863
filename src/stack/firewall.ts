import type { FirewallRule, Manifest } from "../manifest/schema.ts";
import { file } from "../resources/file.ts";
import { firewallLock, nftablesTable } from "../resources/nftables.ts";
import { idOf } from "../resources/resource.ts";
import { unit } from "../resources/unit.ts";
import { emptySection, packagesId } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";
import { configDirectoryOf, stackDirectoryOf } from "./names.ts";
import { renderTemplate } from "./render-template.ts";

const table = "inet hostkit";

/**
 * Docker's bridges by name: the default one and swarm's ("docker…") and those of user networks ("br-" and an id).
 * A bridge that leads outside must not be named like this; docs/firewall.md says so.
 */
const bridges = ["docker*", "br-*"] as const;

/** Unit that loads the rules at boot, before the network comes up. */
export function firewallUnitOf(stack: string): string {
  return `hostkit-firewall-${stack}.service`;
}

/** One nftables table of our own, loaded now and at boot (manifest section `firewall`). */
export function resolveFirewall(inputs: StackInputs): Section {
  const { manifest, templates } = inputs;
  if (manifest.firewall === undefined) return emptySection;
  const { stack } = manifest;
  const path = `${configDirectoryOf(stack)}/firewall.nft`;
  const rules = renderTemplate(templates, "etc/hostkit/stack/firewall.nft.ejs", {
    bridges,
    input: [...renderDatabaseAccess(manifest), ...manifest.firewall.allow.flatMap(renderInput)],
    forward: manifest.firewall.allow.flatMap(renderForward),
  });
  const loaded = nftablesTable(table, path, rules, stackDirectoryOf(stack), {
    after: [packagesId],
  });
  const unitName = firewallUnitOf(stack);
  const unitFile = file(
    `/etc/systemd/system/${unitName}`,
    renderTemplate(templates, "etc/systemd/system/hostkit-firewall.service.ejs", {
      stack,
      table,
      path,
      lock: firewallLock,
    }),
    // Behind the confirmation: rules that were not confirmed are not loaded at the next boot either.
    { after: [idOf(loaded)] },
  );
  const service = unit(unitName, stackDirectoryOf(stack), { watches: [idOf(unitFile)] });
  return { packages: ["nftables"], resources: [loaded, unitFile, service] };
}

/** nft(8) rules that let a manifest rule's traffic reach the host: one line for each source. */
export function renderInput(rule: FirewallRule): string[] {
  const ports = rule.port === "ssh" ? "$ssh_ports" : renderPorts(rule);
  return renderSources(rule).map(
    (source) => `${source}${rule.protocol} dport ${ports} accept comment "${rule.name}"`,
  );
}

/** The same for ports that Docker redirects into a container; sshd is never in one. */
export function renderForward(rule: FirewallRule): string[] {
  if (rule.port === "ssh") return [];
  return renderSources(rule).map(
    (source) =>
      `${source}ct status dnat meta l4proto ${rule.protocol} ct original proto-dst ${renderPorts(rule)} accept comment "${rule.name}"`,
  );
}

function renderPorts(rule: FirewallRule): string {
  return rule.port === rule.lastPort ? String(rule.port) : `${rule.port}-${rule.lastPort}`;
}

/** One line for each block: sets would refuse blocks that overlap. */
function renderSources(rule: FirewallRule): string[] {
  if (rule.from.length === 0) return [""];
  return rule.from.map((block) => `${block.includes(":") ? "ip6" : "ip"} saddr ${block} `);
}

/** Containers that cannot use PostgreSQL's socket may reach its port; nothing else of the host. */
function renderDatabaseAccess(manifest: Manifest): string[] {
  const isNeeded = [...manifest.services, ...manifest.web].some(
    (service) => service.runtime === "container" && service.database?.tcp === true,
  );
  if (!isNeeded) return [];
  const port = manifest.database?.settings["port"] ?? "5432";
  return bridges.map(
    (bridge) => `iifname "${bridge}" tcp dport ${port} accept comment "PostgreSQL for containers"`,
  );
}
