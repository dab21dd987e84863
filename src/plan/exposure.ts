import type { Listener } from "../facts/system/listeners.ts";
import type { Firewall } from "../manifest/schema.ts";

/**
 * TCP ports worth a try from outside: what listens on an address that is not loopback.
 * The ssh port is left out: this very connection shows that it answers, and sshd penalizes bare connects (OpenSSH ≥ 9.8).
 */
export function listPortsToTry(listeners: readonly Listener[], sshPort: number): number[] {
  const outside = listeners.filter(
    (listener) =>
      listener.protocol === "tcp" && listener.port !== sshPort && !isLoopback(listener.address),
  );
  return [...new Set(outside.map((listener) => listener.port))].sort((a, b) => a - b);
}

/** Only the host itself reaches it. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address.startsWith("[::1]") || address === "::1";
}

/**
 * Open ports that the manifest does not allow. Without a firewall section nothing is promised.
 * @param answering what took a connection from outside
 * @param others what other stacks of the host have open
 */
export function findUndeclaredPorts(
  firewall: Firewall | undefined,
  answering: readonly number[],
  others: readonly { readonly first: number; readonly last: number }[] = [],
): number[] {
  if (firewall === undefined) return [];
  return answering.filter(
    (port) =>
      !others.some(({ first, last }) => first <= port && port <= last) &&
      !firewall.allow.some(
        (rule) =>
          rule.protocol === "tcp" &&
          typeof rule.port === "number" &&
          typeof rule.lastPort === "number" &&
          rule.port <= port &&
          port <= rule.lastPort,
      ),
  );
}
