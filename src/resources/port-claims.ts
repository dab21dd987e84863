import type { Claim } from "../facts/neighbours.ts";
import { claimAlone, claimTogether } from "./resource.ts";

/** Ports of one protocol, from the first to the last. */
export interface ClaimedPorts {
  readonly protocol: string;
  readonly first: number;
  readonly last: number;
}

/** Published outside; the firewall must have it open. */
const outside = "outside";

function portName(protocol: string, port: number, lastPort: number = port): string {
  return `${port === lastPort ? String(port) : `${port}-${lastPort}`}/${protocol}`;
}

/** A port that only one stack can have. */
export function claimPort(protocol: string, port: number, isPublished = false): Claim {
  const claim = claimAlone({ kind: "port", name: portName(protocol, port) });
  return isPublished ? { ...claim, value: outside } : claim;
}

/** A published port behind which several stacks stand: that of the proxy. */
export function claimSharedPort(protocol: string, port: number): Claim {
  return claimTogether(`port:${portName(protocol, port)}`, outside);
}

/** Ports that the firewall has open for a stack. */
export function claimOpening({ protocol, first, last }: ClaimedPorts): Claim {
  return claimTogether(`open:${portName(protocol, first, last)}`);
}

/** The ports that are open, or published. */
export function readPorts(claims: readonly Claim[], what: "open" | "published"): ClaimedPorts[] {
  const kind = what === "open" ? "open" : "port";
  return claims.flatMap(({ thing, value }) => {
    const [, first, last, protocol] =
      new RegExp(`^${kind}:(\\d+)(?:-(\\d+))?/(tcp|udp)$`).exec(thing) ?? [];
    if (first === undefined || protocol === undefined) return [];
    if (what === "published" && value !== outside) return [];
    return [{ protocol, first: Number(first), last: Number(last ?? first) }];
  });
}
