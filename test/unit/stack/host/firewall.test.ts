import { beforeAll, describe, expect, test } from "vitest";
import { Facts } from "../../../../src/facts/fact.ts";
import { readTemplates } from "../../../../src/local/templates.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import { nftablesKind } from "../../../../src/resources/system/nftables.ts";
import type { NftablesResource } from "../../../../src/resources/system/nftables.ts";
import { idOf } from "../../../../src/resources/resource.ts";
import {
  renderForward,
  renderInput,
  resolveFirewall,
} from "../../../../src/stack/host/firewall.ts";
import type { StackInputs } from "../../../../src/stack/inputs.ts";

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

function inputsOf(yaml: string): StackInputs {
  const text = `stack: dx\nhosts: { h: { address: h.example.org } }\n${yaml}`;
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  const system = { distribution: "debian", version: "13", architecture: "amd64" };
  const none = new Map<string, never>();
  return {
    manifest,
    host: "h",
    system,
    hostname: "h",
    templates,
    blobs: none,
    texts: none,
    secrets: none,
    isLab: false,
  };
}

function tableOf(yaml: string): NftablesResource {
  const found = resolveFirewall(inputsOf(yaml)).resources.find(
    (resource) => resource.kind === "nftables",
  );
  if (found === undefined) throw new Error("no table");
  return found as NftablesResource;
}

/** The lines of one chain, without comments. */
function chainOf(rules: string, name: string): string[] {
  const lines = rules.split("\n").map((line) => line.trim());
  const from = lines.indexOf(`chain ${name} {`);
  return lines
    .slice(from + 1, lines.indexOf("}", from))
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** What the stack adds to a chain. */
function addedTo(table: NftablesResource, chain: string): string[] {
  const start = `add rule inet hostkit ${chain} `;
  return table.part.rules
    .split("\n")
    .flatMap((line) => (line.startsWith(start) ? [line.slice(start.length)] : []));
}

describe("resolveFirewall", () => {
  test("none: nothing of ours", () => {
    expect(resolveFirewall(inputsOf("firewall: none\n")).resources).toEqual([]);
  });

  test("drops what no rule lets in, in both directions that lead to programs", () => {
    const { rules } = tableOf("firewall: { allow: [ssh] }\n");
    expect(chainOf(rules, "input")[0]).toBe("type filter hook input priority filter; policy drop;");
    expect(chainOf(rules, "forward")[0]).toBe(
      "type filter hook forward priority filter - 10; policy accept;",
    );
    expect(tableOf("firewall: { allow: [ssh] }\n").closing).toBe(
      "add rule inet hostkit containers drop\n",
    );
  });

  test("an open port counts for containers too, but never sshd's", () => {
    const table = tableOf(
      "firewall: { allow: [ssh, { port: 7300, from: [192.0.2.0/24, '2001:db8::/32'] }] }\n",
    );
    expect(addedTo(table, "input")).toEqual([
      'tcp dport $ssh_ports accept comment "ssh"',
      'ip saddr 192.0.2.0/24 tcp dport 7300 accept comment "7300/tcp"',
      'ip6 saddr 2001:db8::/32 tcp dport 7300 accept comment "7300/tcp"',
    ]);
    expect(addedTo(table, "containers")).toEqual([
      'ip saddr 192.0.2.0/24 ct status dnat meta l4proto tcp ct original proto-dst 7300 accept comment "7300/tcp"',
      'ip6 saddr 2001:db8::/32 ct status dnat meta l4proto tcp ct original proto-dst 7300 accept comment "7300/tcp"',
    ]);
  });

  test("containers reach PostgreSQL's port only where one of them asked for TCP", () => {
    const yaml = (access: string) =>
      `database: { databases: { dx: {} } }\nweb: { api: { image: 'a/b@sha256:${"0".repeat(64)}', port: 80, database: ${access} } }\nfirewall: { allow: [ssh] }\n`;
    expect(tableOf(yaml("dx")).part.rules).not.toContain("5432");
    const lines = addedTo(tableOf(yaml("{ name: dx, tcp: true }")), "input");
    expect(lines.filter((line) => line.includes("5432"))).toEqual([
      'iifname "docker*" tcp dport 5432 accept comment "PostgreSQL for containers"',
      'iifname "br-*" tcp dport 5432 accept comment "PostgreSQL for containers"',
    ]);
  });

  test("what loads the rules at boot comes behind the confirmation", () => {
    const { resources } = resolveFirewall(inputsOf("firewall: { allow: [ssh] }\n"));
    const [table, unitFile, service] = resources;
    expect(resources.map(idOf)).toEqual([
      "nftables:inet hostkit",
      "file:/etc/systemd/system/hostkit-firewall.service",
      "unit:hostkit-firewall.service",
    ]);
    expect(unitFile?.after).toContain(idOf(table!));
    expect(service?.after).toContain(idOf(unitFile!));
  });

  test("the same manifest gives the same bytes", () => {
    const yaml = "firewall: { allow: [https, ssh, 7300] }\n";
    expect(tableOf(yaml)).toEqual(tableOf("firewall: { allow: [7300, ssh, https] }\n"));
  });
});

test.each([
  [
    { name: "http", port: 80, lastPort: 80, protocol: "tcp", from: [] },
    ['tcp dport 80 accept comment "http"'],
  ],
  [
    { name: "6000-6010/udp", port: 6000, lastPort: 6010, protocol: "udp", from: ["::1"] },
    ['ip6 saddr ::1 udp dport 6000-6010 accept comment "6000-6010/udp"'],
  ],
] as const)("renderInput %o", (rule, lines) => {
  expect(renderInput(rule).map(({ text }) => text)).toEqual(lines);
});

test("renderForward leaves sshd out", () => {
  expect(
    renderForward({ name: "ssh", port: "ssh", lastPort: "ssh", protocol: "tcp", from: [] }),
  ).toEqual([]);
});

test("the guard brings back the table, the file and forgets what was loaded", () => {
  const table = tableOf("firewall: { allow: [ssh] }\n");
  const context = {
    stackDirectory: "/var/lib/hostkit/dx",
    changed: new Set<never>(),
    isOwned: false,
    isUnfinished: false,
  };
  const change = nftablesKind.diff(table, Facts.of(), context);
  expect(change?.guard?.seconds).toBe(30);
  expect(change?.guard?.save.text).toContain("nft list table inet hostkit >>table.nft");
  const undo = change?.guard?.undo.text ?? "";
  expect(undo).toContain("nft -f table.nft");
  expect(undo).toContain("rm -f /var/lib/hostkit/firewall.stamp");
  expect(undo).toContain("rm -f /etc/hostkit/firewall.nft");
  expect(undo).toContain("rm -f /etc/hostkit/dx/open.nft");
});
