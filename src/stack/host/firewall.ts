import { openPortsPath } from "../../facts/system/nftables.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { FirewallRule, PublishedPort, ServiceBase } from "../../manifest/schema.ts";
import { file } from "../../resources/files/file.ts";
import { firewallLock, firewallTable, nftablesTable } from "../../resources/system/nftables.ts";
import { idOf } from "../../resources/resource.ts";
import type { ServedPart } from "../../resources/resource.ts";
import { unit } from "../../resources/units/unit.ts";
import { databasePortOf } from "../database/database-place.ts";
import { emptySection, packagesId } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { stackDirectoryOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { nft, nftBlock, nftPorts, nftString } from "../../writers/nft.ts";
import { systemdPath, systemdText } from "../../writers/systemd.ts";
import type { Written } from "../../writers/written.ts";

const table = firewallTable;

/**
 * Docker's bridges by name: the default one and swarm's ("docker…") and those of user networks ("br-" and an id).
 * A bridge that leads outside must not be named like this; docs/firewall.md says so.
 */
const bridges = ["docker*", "br-*"] as const;

/** Loads the rules at boot, before the network comes up; one for all stacks of the host. */
const unitName = "hostkit-firewall.service";
const basePath = "/etc/hostkit/firewall.nft";

/** The host's nftables table, with what this stack opens, loaded now and at boot (manifest section `firewall`). */
export function resolveFirewall(inputs: StackInputs): Section {
  const { manifest, templates } = inputs;
  if (manifest.firewall === undefined) return emptySection;
  const { stack } = manifest;
  const { allow } = manifest.firewall;
  const loaded = nftablesTable(
    table,
    basePath,
    {
      rules: renderTemplate(templates, "etc/hostkit/firewall.nft.ejs", {
        bridges: bridges.map(nftString),
      }),
      closing: `add rule ${table} containers drop\n`,
      part: {
        path: openPortsPath(stack),
        rules: renderPart(inputs, allow),
      },
    },
    stackDirectoryOf(stack),
    { after: [packagesId] },
  );
  const unitFile = file(
    `/etc/systemd/system/${unitName}`,
    renderTemplate(templates, "etc/systemd/system/hostkit-firewall.service.ejs", {
      table: systemdText(table),
      path: systemdPath(basePath),
      lock: systemdPath(firewallLock),
    }),
    // Behind the confirmation: rules that were not confirmed are not loaded at the next boot either.
    { after: [idOf(loaded)], shared: "default" },
  );
  const service = unit(unitName, stackDirectoryOf(stack), {
    watches: [idOf(unitFile)],
    shared: "default",
  });
  const serves = listServed(inputs, allow);
  return { packages: ["nftables"], resources: [loaded, unitFile, { ...service, serves }] };
}

/** The rules with which this stack opens ports. */
function renderPart(inputs: StackInputs, allow: readonly FirewallRule[]): string {
  const lines = [
    ...renderDatabaseAccess(inputs).map(inputLine),
    ...allow.flatMap(renderInput).map(inputLine),
    ...allow.flatMap(renderForward).map(forwardLine),
  ];
  return `# Written by hostkit: what the stack ${inputs.manifest.stack} opens.\n${lines.join("")}`;
}

function inputLine(rule: Written<"nft">): string {
  return `add rule ${table} input ${rule.text}\n`;
}

function forwardLine(rule: Written<"nft">): string {
  return `add rule ${table} containers ${rule.text}\n`;
}

/** The lines by which a service is reached: what it publishes, the proxy's ports in front of it, its way to the database. */
function listServed(inputs: StackInputs, allow: readonly FirewallRule[]): ServedPart[] {
  const { manifest } = inputs;
  const routed = new Set(
    (manifest.proxy?.sites ?? []).flatMap(({ routes }) => routes.map(({ to }) => to)),
  );
  return servicesOf(manifest).flatMap((service) => {
    const ports = [
      ...service.ports,
      ...(routed.has(service.name)
        ? [80, 443].map((outside) => ({ outside, protocol: "tcp" as const }))
        : []),
    ];
    const rules = allow.filter((rule) => ports.some((port) => allows(rule, port)));
    const lines = [
      ...rules.flatMap(renderInput).map(inputLine),
      ...rules.flatMap(renderForward).map(forwardLine),
      ...(usesBridge(service) ? renderDatabaseAccess(inputs).map(inputLine) : []),
    ];
    return lines.map((text) => ({
      service: service.name,
      path: openPortsPath(manifest.stack),
      text,
    }));
  });
}

/** True where the rule opens the port. */
export function allows(
  rule: FirewallRule,
  { outside, protocol }: Pick<PublishedPort, "outside" | "protocol">,
): boolean {
  return (
    rule.protocol === protocol && Number(rule.port) <= outside && outside <= Number(rule.lastPort)
  );
}

/** A container that cannot use PostgreSQL's socket. */
function usesBridge({ runtime, database }: ServiceBase): boolean {
  return runtime === "container" && database?.tcp === true;
}

/** nft(8) rules that let a manifest rule's traffic reach the host: one line for each source. */
export function renderInput(rule: FirewallRule): Written<"nft">[] {
  const ports = rule.port === "ssh" ? nft`$ssh_ports` : portsOf(rule);
  return renderSources(rule).map(
    (source) =>
      nft`${source}${protocolOf(rule)} dport ${ports} accept comment ${nftString(rule.name)}`,
  );
}

/** The same for ports that Docker redirects into a container; sshd is never in one. */
export function renderForward(rule: FirewallRule): Written<"nft">[] {
  if (rule.port === "ssh") return [];
  return renderSources(rule).map(
    (source) =>
      nft`${source}ct status dnat meta l4proto ${protocolOf(rule)} ct original proto-dst ${portsOf(rule)} accept comment ${nftString(rule.name)}`,
  );
}

function protocolOf(rule: FirewallRule): Written<"nft"> {
  return rule.protocol === "udp" ? nft`udp` : nft`tcp`;
}

function portsOf(rule: FirewallRule): Written<"nft"> {
  return nftPorts(Number(rule.port), Number(rule.lastPort));
}

/** One line for each block: sets would refuse blocks that overlap. */
function renderSources(rule: FirewallRule): Written<"nft">[] {
  if (rule.from.length === 0) return [nft``];
  return rule.from.map((block) =>
    block.includes(":") ? nft`ip6 saddr ${nftBlock(block)} ` : nft`ip saddr ${nftBlock(block)} `,
  );
}

/** Containers that cannot use PostgreSQL's socket may reach its port; nothing else of the host. */
function renderDatabaseAccess({ manifest, system }: StackInputs): Written<"nft">[] {
  if (!servicesOf(manifest).some(usesBridge)) return [];
  const port = nftPorts(Number(databasePortOf(manifest, system)));
  return bridges.map(
    (bridge) =>
      nft`iifname ${nftString(bridge)} tcp dport ${port} accept comment ${nftString("PostgreSQL for containers")}`,
  );
}
