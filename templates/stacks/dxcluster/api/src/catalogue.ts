/** Every endpoint once: its path, what it is, what it takes and gives. Requests are checked and documented from this table. */
import type { Endpoint } from "./openapi.ts";
import * as requests from "./requests.ts";
import { answers } from "./schemas.ts";

export const catalogue = {
  info: {
    path: "/api",
    about: "Name, version and endpoints",
    parameters: {},
    answer: answers.info,
  },
  health: {
    path: "/api/health",
    about: "Health check",
    parameters: {},
    answer: answers.health,
  },
  stats: {
    path: "/api/stats",
    about: "Basic database statistics",
    parameters: {},
    answer: answers.stats,
  },
  spots: {
    path: "/api/spots",
    about: "Get spots with filtering options",
    parameters: requests.spotsParameters,
    answer: answers.spots,
    alsoCsv: true,
  },
  recent_spots: {
    path: "/api/spots/recent",
    about: "Get recent spots",
    parameters: requests.recentParameters,
    answer: answers.recent_spots,
  },
  stream: {
    path: "/api/spots/stream",
    about: "New spots as server-sent events",
    parameters: {},
    type: "text/event-stream",
    answer: answers.stream,
  },
  bands: {
    path: "/api/bands",
    about: "Get band information",
    parameters: requests.bandsParameters,
    answer: answers.bands,
  },
  band_conditions: {
    path: "/api/bands/conditions",
    about: "How busy each band is now, and by which modes",
    parameters: requests.conditionsParameters,
    answer: answers.band_conditions,
  },
  frequency_histogram: {
    path: "/api/frequency/histogram",
    about: "Frequency distribution",
    parameters: requests.histogramParameters,
    answer: answers.frequency_histogram,
  },
  hourly_activity: {
    path: "/api/activity/hourly",
    about: "Hourly activity stats",
    parameters: requests.hourlyParameters,
    answer: answers.hourly_activity,
  },
  band_activity: {
    path: "/api/activity/bands",
    about: "Hourly activity of each band",
    parameters: requests.bandActivityParameters,
    answer: answers.band_activity,
  },
  top_callsigns: {
    path: "/api/callsigns/top",
    about: "Top active callsigns",
    parameters: requests.topParameters,
    answer: answers.top_callsigns,
  },
  solar: {
    path: "/api/solar",
    about: "Solar flux and geomagnetic indices",
    parameters: requests.solarParameters,
    answer: answers.solar,
  },
  prefixes: {
    path: "/api/prefixes",
    about: "Which country a callsign's beginning belongs to, and where that is",
    parameters: {},
    answer: answers.prefixes,
  },
  openapi: {
    path: "/api/openapi.json",
    about: "This API for machines (OpenAPI 3.1)",
    parameters: {},
    answer: { type: "object" },
  },
  docs: {
    path: "/api/docs",
    about: "This API for people",
    parameters: {},
    type: "text/html",
    answer: { type: "string" },
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
