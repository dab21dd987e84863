import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { execute } from "./programs.ts";
import { closeMachine, openMachine } from "./machine-settings.ts";
import type { LabPaths } from "./paths.ts";
import { lastLines } from "./tools.ts";

/** The network all hosts of one lab share: a bridge on this machine, which is also their gateway. */
export interface LabNetwork {
  readonly bridge: string;
  readonly table: string;
  /** First three octets, for example `10.83.7`. */
  readonly prefix: string;
  /** First four groups, for example `fd68:6b00:1a2b:3c4d`. */
  readonly prefix6: string;
  readonly mtu: number;
  /** Whether this machine has an IPv6 way out; without it a host gets no IPv6 default route. */
  readonly outside6: boolean;
}

interface Route {
  readonly dst?: string;
  readonly dev?: string;
}

/** Makes the lab's bridge, addresses, forwarding and masquerading; does nothing when they exist. */
export async function ensureNetwork(paths: LabPaths): Promise<LabNetwork> {
  const file = path.join(paths.state, "network.json");
  const known = await readFile(file, "utf8").catch(() => undefined);
  const network =
    known === undefined ? await planNetwork(paths) : (JSON.parse(known) as LabNetwork);
  await mkdir(paths.state, { recursive: true, mode: 0o700 });
  await writeFile(file, JSON.stringify(network, null, 2));
  await openMachine({ forward6: network.outside6 });
  const { bridge, prefix, prefix6, mtu } = network;
  const link = await execute("ip", ["link", "show", bridge], { reject: false });
  if (link.exitCode !== 0) {
    await run("ip", [
      "link",
      "add",
      bridge,
      "mtu",
      String(mtu),
      "type",
      "bridge",
      "forward_delay",
      "0",
    ]);
  }
  await run("ip", ["link", "set", bridge, "up"]);
  await run("ip", ["address", "replace", `${prefix}.1/24`, "dev", bridge]);
  await execute("ip", ["-6", "address", "replace", `${prefix6}::1/64`, "dev", bridge, "nodad"], {
    reject: false,
  });
  await run("nft", ["-f", "-"], renderMasquerade(network));
  for (const rule of await dockerRules(bridge)) {
    const known = await execute("iptables", ["-w", "-C", ...rule], { reject: false });
    if (known.exitCode !== 0) await run("iptables", ["-w", "-I", ...rule]);
  }
  return network;
}

/** Removes what `ensureNetwork` made. Idempotent. */
export async function removeNetwork(paths: LabPaths): Promise<void> {
  const { bridge, table } = namesOf(paths);
  await execute("ip", ["link", "delete", bridge], { reject: false });
  await execute("nft", ["delete", "table", "inet", table], { reject: false });
  for (const rule of await dockerRules(bridge)) {
    // -D fails when there is none (left).
    while ((await execute("iptables", ["-w", "-D", ...rule], { reject: false })).exitCode === 0);
  }
  await closeMachine();
  await rm(path.join(paths.state, "network.json"), { force: true });
}

/** The lab's own table: masquerading of what leaves for the outside, and nothing else. */
export function renderMasquerade({ table, bridge, prefix, prefix6 }: LabNetwork): string {
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain outside {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${prefix}.0/24 oifname != "${bridge}" masquerade
    ip6 saddr ${prefix6}::/64 oifname != "${bridge}" masquerade
  }
}
`;
}

/** The first 10.83.N that no route of this machine touches; N starts at a place that differs from lab to lab. */
export function choosePrefix(id: string, routes: readonly string[]): string | undefined {
  const start = Number.parseInt(id.slice(0, 2), 16) % 254;
  for (let step = 0; step < 254; step += 1) {
    const prefix = `10.83.${1 + ((start + step) % 254)}`;
    if (!routes.some((route) => overlaps(route, prefix))) return prefix;
  }
  return undefined;
}

/** A ULA prefix that follows from the lab; in the form `ip` prints it, so no group starts with a zero. */
export function choosePrefix6(id: string): string {
  const group = (digits: string) => (Number.parseInt(digits, 16) | 0x1000).toString(16);
  return `fd68:6b00:${group(id.slice(0, 4))}:${group(id.slice(2, 6))}`;
}

function overlaps(route: string, prefix: string): boolean {
  const [address = "", length = "32"] = route.split("/");
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address) || Number(length) === 0) return false;
  const shift = 32 - Math.min(Number(length), 24);
  return (
    Math.floor(toNumber(address) / 2 ** shift) === Math.floor(toNumber(`${prefix}.0`) / 2 ** shift)
  );
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function namesOf(paths: LabPaths): { bridge: string; table: string } {
  return { bridge: `hklab-${paths.id}`, table: `hostkit_lab_${paths.id}` };
}

async function planNetwork(paths: LabPaths): Promise<LabNetwork> {
  const routes = await readRoutes("-4");
  const routes6 = await readRoutes("-6");
  const prefix = choosePrefix(
    paths.id,
    routes.map((route) => route.dst ?? ""),
  );
  if (prefix === undefined) {
    throw new HostkitError("lab_unavailable", {
      what: "no free network for lab hosts",
      why: "routes of this machine cover all of 10.83.0.0/16",
      next: "ip route",
    });
  }
  const device = routes.find((route) => route.dst === "default")?.dev;
  const mtu =
    device === undefined
      ? ""
      : await readFile(`/sys/class/net/${device}/mtu`, "utf8").catch(() => "");
  return {
    ...namesOf(paths),
    prefix,
    prefix6: choosePrefix6(paths.id),
    mtu: Math.min(Number(mtu) || 1500, 1500),
    outside6: routes6.some((route) => route.dst === "default"),
  };
}

async function readRoutes(family: "-4" | "-6"): Promise<Route[]> {
  const { stdout } = await execute("ip", ["-json", family, "route", "show", "table", "all"], {
    reject: false,
  });
  return stdout === undefined || stdout.trim() === "" ? [] : (JSON.parse(stdout) as Route[]);
}

/** A Docker on this machine drops what it does not know in the forward hook; these rules let the lab through. */
async function dockerRules(bridge: string): Promise<string[][]> {
  const { stdout, exitCode } = await execute("iptables", ["-w", "-S", "FORWARD"], {
    reject: false,
  });
  if (exitCode !== 0) return [];
  if (!stdout.includes("-P FORWARD DROP") && !stdout.includes(bridge)) return [];
  return ["-i", "-o"].map((direction) => ["FORWARD", direction, bridge, "-j", "ACCEPT"]);
}

async function run(file: string, args: string[], input?: string): Promise<void> {
  try {
    await execute(file, args, input === undefined ? { stdin: "ignore" } : { input });
  } catch (error) {
    throw new HostkitError(
      "lab_unavailable",
      { what: `${file} ${args.join(" ")} failed`, details: lastLines(error) },
      { cause: error },
    );
  }
}
