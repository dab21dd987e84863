/** Every endpoint once: its path, what it is, what it takes. Requests are checked and documented from this table. */
import type { Endpoint } from "./openapi.ts";
import * as queries from "./queries.ts";

export const catalogue = {
  info: { path: "/api", about: "Name, version and endpoints", parameters: {} },
  health: { path: "/api/health", about: "Health check", parameters: {} },
  stats: { path: "/api/stats", about: "Basic database statistics", parameters: {} },
  spots: {
    path: "/api/spots",
    about: "Get spots with filtering options",
    parameters: queries.spotsParameters,
  },
  recent_spots: {
    path: "/api/spots/recent",
    about: "Get recent spots",
    parameters: queries.recentParameters,
  },
  stream: {
    path: "/api/spots/stream",
    about: "New spots as server-sent events",
    parameters: {},
    type: "text/event-stream",
  },
  bands: { path: "/api/bands", about: "Get band information", parameters: queries.bandsParameters },
  frequency_histogram: {
    path: "/api/frequency/histogram",
    about: "Frequency distribution",
    parameters: queries.histogramParameters,
  },
  hourly_activity: {
    path: "/api/activity/hourly",
    about: "Hourly activity stats",
    parameters: queries.hourlyParameters,
  },
  top_callsigns: {
    path: "/api/callsigns/top",
    about: "Top active callsigns",
    parameters: queries.topParameters,
  },
  solar: {
    path: "/api/solar",
    about: "Solar flux and geomagnetic indices",
    parameters: queries.solarParameters,
  },
  openapi: {
    path: "/api/openapi.json",
    about: "This API for machines (OpenAPI 3.1)",
    parameters: {},
  },
} as const satisfies Readonly<Record<string, Endpoint>>;

/** `{ stats: "/api/stats - Basic database statistics", … }`, as `/api` has always shown it. */
export function summarize(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(catalogue).flatMap(([name, { path, about }]) =>
      name === "info" ? [] : [[name, `${path} - ${about}`]],
    ),
  );
}
