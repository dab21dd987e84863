import type { Finding, Pointer } from "../problems.ts";
import { expandAllow, type WrittenRules } from "../sections/firewall.ts";
import { complain, type Rule, type RuleInput, warn } from "./rule.ts";

export const firewallRules: readonly Rule[] = [
  lockout,
  contradiction,
  backwardRange,
  proxyClosed,
  forwardingOff,
];

function rulesOf({ written }: RuleInput): WrittenRules | undefined {
  return typeof written.firewall === "object" ? written.firewall : undefined;
}

function opensSsh(input: RuleInput): boolean {
  const { written } = input;
  const ports = new Set<number | "ssh">(["ssh", 22]);
  for (const entry of Object.values(written.hosts)) {
    if (typeof entry === "object" && entry?.port !== undefined) ports.add(entry.port);
  }
  return (rulesOf(input)?.allow ?? [])
    .flatMap(expandAllow)
    .some((rule) => ports.has(rule.port) && rule.protocol === "tcp");
}

/** A firewall without SSH cuts off the hand that made it. */
function lockout(input: RuleInput): Finding[] {
  const firewall = rulesOf(input);
  if (firewall?.allow === undefined || firewall.ssh === false || opensSsh(input)) return [];
  const message =
    "this would lock you out: add ssh, or say `ssh: false` if the host is reached in another way";
  return [complain(["firewall", "allow"], message)];
}

function contradiction(input: RuleInput): Finding[] {
  if (rulesOf(input)?.ssh !== false || !opensSsh(input)) return [];
  return [complain(["firewall", "ssh"], "ssh is false, yet allow opens it")];
}

function backwardRange(input: RuleInput): Finding[] {
  return (rulesOf(input)?.allow ?? []).flatMap((entry, index) => {
    const bad = expandAllow(entry).some(
      ({ port, lastPort }) =>
        typeof port === "number" && typeof lastPort === "number" && port > lastPort,
    );
    const pointer: Pointer = [
      "firewall",
      "allow",
      index,
      ...(typeof entry === "object" ? ["port"] : []),
    ];
    return bad ? [complain(pointer, "the lower port comes first")] : [];
  });
}

function proxyClosed(input: RuleInput): Finding[] {
  const allow = rulesOf(input)?.allow;
  if (allow === undefined || Object.keys(input.written.proxy?.sites ?? {}).length === 0) return [];
  const open = (port: number) =>
    allow
      .flatMap(expandAllow)
      .some(
        (rule) =>
          typeof rule.port === "number" &&
          rule.port <= port &&
          port <= Number(rule.lastPort) &&
          rule.protocol === "tcp",
      );
  const closed = [...(open(80) ? [] : ["http"]), ...(open(443) ? [] : ["https"])];
  if (closed.length === 0) return [];
  return [
    warn(
      ["firewall", "allow"],
      `the proxy has sites, but ${closed.join(" and ")} ${closed.length === 1 ? "stays" : "stay"} closed`,
    ),
  ];
}

function forwardingOff({ written, services }: RuleInput): Finding[] {
  const containers = services.some(({ runtime }) => runtime === "container");
  return Object.entries(written.host?.sysctl ?? {}).flatMap(([name, value]) =>
    containers && /^net[./]ipv4[./]ip_forward$/.test(name) && value === "0"
      ? [complain(["host", "sysctl", name], "containers need forwarding")]
      : [],
  );
}
