/** Who asks: the proxies whose word on that is taken, and one name for each client. */
import * as fs from "node:fs";
import { isIPv6 } from "node:net";

/** This machine, and the gateway of the container's network: a proxy on the host comes from there. */
export function trustedProxies(): readonly string[] {
  return ["127.0.0.0/8", "::1", ...gateways(readFile("/proc/net/route"))];
}

function readFile(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The default gateways in the kernel's IPv4 routes (`/proc/net/route`: hexadecimal, bytes in reverse). */
export function gateways(routes: string): readonly string[] {
  return routes.split("\n").flatMap((line) => {
    const [, destination, gateway = ""] = line.trim().split(/\s+/);
    if (destination !== "00000000" || !/^[0-9A-F]{8}$/i.test(gateway)) return [];
    if (gateway === "00000000") return [];
    return [[6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16)).join(".")];
  });
}

/** The client that an address stands for: an IPv6 network of 64 bits is one client, it has more addresses than there are limits. */
export function clientOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = (plain.split("%")[0] ?? "").split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: Math.max(zeros, 0) }, () => "0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
