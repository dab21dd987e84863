import type { Finding } from "../problems.ts";
import { suggest } from "../suggest.ts";
import { complain, findCycles, type Rule, type RuleInput, warn } from "./rule.ts";

export const hostRules: readonly Rule[] = [noHost, jumpCycle, sameHostTwice, unknownTimezone];

/** A warning, because the host's list may be newer than the one Node.js brings. */
function unknownTimezone({ written }: RuleInput): Finding[] {
  const zone = written.host?.timezone;
  if (zone === undefined) return [];
  const known = new Set(Intl.supportedValuesOf("timeZone"));
  if (known.has(zone)) return [];
  const suggestion = suggest(zone, known);
  // Old names such as US/Eastern are valid but not listed. Intl takes any case, a host does not.
  const isListed = suggestion?.toLowerCase() === zone.toLowerCase();
  if (!isListed && isTimezone(zone)) return [];
  return [
    warn(["host", "timezone"], `there seems to be no time zone "${zone}"`, {
      ...(suggestion === undefined ? {} : { suggestion }),
    }),
  ];
}

function isTimezone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function noHost({ written, declared }: RuleInput): Finding[] {
  if (Object.keys(written.hosts).length > 0 || declared.hosts.size > 0) return [];
  return [complain(["hosts"], "name at least one host")];
}

function jumpCycle({ written }: RuleInput): Finding[] {
  const edges = new Map(
    Object.entries(written.hosts).map(([name, entry]) => [
      name,
      typeof entry === "object" && entry !== null ? [entry.jump ?? []].flat() : [],
    ]),
  );
  return findCycles(edges).map((cycle) =>
    complain(
      ["hosts", cycle[0] ?? "", "jump"],
      `this way goes round in a circle: ${cycle.join(" → ")}`,
    ),
  );
}

function sameHostTwice({ written }: RuleInput): Finding[] {
  const seen = new Map<string, string>();
  return Object.entries(written.hosts).flatMap(([name, entry]) => {
    const host = typeof entry === "string" ? { address: entry } : (entry ?? {});
    const key = JSON.stringify([(host.address ?? name).toLowerCase(), host.port ?? 22]);
    const other = seen.get(key);
    seen.set(key, other ?? name);
    if (other === undefined) return [];
    return [warn(["hosts", name], `the same address as hosts.${other}`, { at: "key" })];
  });
}
