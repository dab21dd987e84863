import type { Facts } from "../fact.ts";
import { textFacts } from "./file.ts";

/** Where a stamp lives: what a thing on the host was last made from (a hash), written after it succeeded. */
export function stampPath(stackDirectory: string, name: string): string {
  return `${stackDirectory}/stamps/${name.replaceAll("/", "_")}`;
}

/** The stamp's text, trimmed; undefined where there is none. Needs `need(textFacts, stampPath(…))`. */
export function readStamp(facts: Facts, stackDirectory: string, name: string): string | undefined {
  return facts.get(textFacts, stampPath(stackDirectory, name))?.trim();
}

/** The same for what a host has once, whichever stack applied it. */
export function hostStampPath(name: string): string {
  return `/var/lib/hostkit/${name}.stamp`;
}

/** Needs `need(textFacts, hostStampPath(…))`. */
export function readHostStamp(facts: Facts, name: string): string | undefined {
  return facts.get(textFacts, hostStampPath(name))?.trim();
}
