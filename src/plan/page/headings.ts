import type { Manifest } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import type { Heading } from "../../resources/resource.ts";
import type { Plan, PlannedChange } from "../types.ts";

/** Changes under one heading of a plan's page, in the plan's order. */
export interface HeadedChanges {
  readonly heading: string;
  readonly changes: readonly PlannedChange[];
}

/** What all services share, in the order in which a page shows it, behind the services. */
const shared = ["proxy", "database", "backups", "host"] as const;
const removed = "removed";

/** A service may be named as one of the headings that are always there. */
function nameHeading(heading: Heading = { shared: "host" }): string {
  if ("shared" in heading) return heading.shared;
  const { service } = heading;
  const isTaken = ([...shared, removed] as readonly string[]).includes(service);
  return isTaken ? `service ${service}` : service;
}

/** The heading of a change. */
export function headingOf({ action, heading }: Pick<PlannedChange, "action" | "heading">): string {
  return action === "delete" ? removed : nameHeading(heading);
}

/** All changes by heading: the services in the manifest's order, then what they share; headings without changes are left out. */
export function groupByHeading({ changes }: Plan, manifest: Manifest): HeadedChanges[] {
  const order = [
    ...servicesOf(manifest).map(({ name }) => nameHeading({ service: name })),
    ...shared,
    removed,
  ];
  const found = new Map<string, PlannedChange[]>(order.map((heading) => [heading, []]));
  for (const change of changes) {
    const heading = headingOf(change);
    found.set(heading, [...(found.get(heading) ?? []), change]);
  }
  return [...found]
    .filter(([, headed]) => headed.length > 0)
    .map(([heading, headed]) => ({ heading, changes: headed }));
}
