import { need } from "../fact.ts";
import type { FactNeed, Facts } from "../fact.ts";
import { textFacts } from "../files/file.ts";
import { parseUpstream } from "./releases.ts";
import type { ActiveRelease, SlotName } from "./releases.ts";

/** The files of a service's traffic; all beside the one that Caddy has in its configuration, whose path names the service. */
export interface TrafficPaths {
  /** Sends a request to a slot, by what is there; the same for every release. */
  readonly routing: string;
  /** Addresses of what a slot runs, as Caddy reads them. */
  readonly upstreams: Readonly<Record<SlotName, string>>;
  /** That slot has the traffic where this file is there: `b` before `a`. Its line says which release that is. */
  readonly marks: Readonly<Record<SlotName, string>>;
}

/** @param upstreamPath of the service: `…/upstreams/SERVICE.caddy` */
export function trafficPathsOf(upstreamPath: string): TrafficPaths {
  const stem = upstreamPath.replace(/\.caddy$/, "");
  return {
    routing: upstreamPath,
    upstreams: { a: `${stem}.a.caddy`, b: `${stem}.b.caddy` },
    marks: { a: `${stem}.a`, b: `${stem}.b` },
  };
}

/** What `readMark` and `readActive` read. */
export function activeNeeds(upstreamPath: string): FactNeed[] {
  const { routing, marks } = trafficPathsOf(upstreamPath);
  return [marks.a, marks.b, routing].map((path) => need(textFacts, path));
}

/** The file that says where the traffic goes; `isFormer`: as it was said before there were marks. */
export interface Mark {
  readonly path: string;
  readonly text: string;
  readonly isFormer: boolean;
}

/** As Caddy decides, and `hk_mark` of templates/run/traffic.sh; undefined where nothing was released. */
export function readMark(facts: Facts, upstreamPath: string): Mark | undefined {
  const { routing, marks } = trafficPathsOf(upstreamPath);
  for (const path of [marks.b, marks.a, routing]) {
    const text = facts.get(textFacts, path);
    if (text !== undefined) return { path, text, isFormer: path === routing };
  }
  return undefined;
}

/** Where the traffic goes; undefined where nothing was released yet. */
export function readActive(facts: Facts, upstreamPath: string): ActiveRelease | undefined {
  return parseUpstream(readMark(facts, upstreamPath)?.text);
}
