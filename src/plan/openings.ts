import type { ErrorParts } from "../errors.ts";
import type { Claim, Neighbour } from "../facts/neighbours.ts";
import { readPorts } from "../resources/port-claims.ts";
import { firewallId } from "../resources/system/nftables.ts";

/** What the other stacks of the host have open, TCP. */
export function openedByOthers(
  neighbours: readonly Neighbour[],
): readonly { readonly first: number; readonly last: number }[] {
  return neighbours.flatMap(({ claims }) =>
    readPorts(claims, "open").filter(({ protocol }) => protocol === "tcp"),
  );
}

/**
 * Ports that a stack with `firewall: none` publishes and that the host's firewall, which another stack has, would shut.
 * The table drops what no stack opens.
 */
export function findShut(
  stack: string,
  claims: readonly Claim[],
  neighbours: readonly Neighbour[],
): ErrorParts | undefined {
  const stacks = [{ stack, claims }, ...neighbours];
  const owners = stacks.filter((one) => one.claims.some(({ thing }) => thing === firewallId));
  if (owners.length === 0) return undefined;
  const open = stacks.flatMap((one) => readPorts(one.claims, "open"));
  const details = stacks
    .filter((one) => !owners.includes(one))
    .flatMap((one) =>
      readPorts(one.claims, "published")
        .filter(
          (port) =>
            !open.some(
              ({ protocol, first, last }) =>
                protocol === port.protocol && first <= port.first && port.first <= last,
            ),
        )
        .map((port) => `stack ${one.stack} publishes ${port.first}/${port.protocol}`),
    );
  if (details.length === 0) return undefined;
  return {
    what: `the firewall of stack ${owners.map((one) => one.stack).join(" and ")} shuts what a stack with \`firewall: none\` publishes`,
    why: "the host has one table, which drops what no stack opens; nothing was changed",
    details,
    next: "leave `firewall: none` out of that stack's manifest, or list these ports in `firewall.allow` of the other's",
  };
}
