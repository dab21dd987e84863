/** Says whether spots come, and since when the API is away. */
import type { Connection, State } from "./connection.ts";
import { element, putText } from "./dom.ts";
import { clockWithSeconds, isLocal } from "./zone.ts";

const stateText: Record<State, string> = {
  live: "live",
  lost: "connection lost, trying again …",
  polling: "asking every 5 seconds",
  away: "no answer",
  waiting: "connecting …",
};

/** @param newest epoch milliseconds of the newest spot; 0 without any */
export function showState({ state, awaySince }: Connection, newest: number): void {
  const shown = element("state");
  shown.dataset["state"] = state;
  const minutes = Math.floor((Date.now() - newest) / 60_000);
  // A scraper that hears nothing leaves a page that looks alive.
  const silent = state !== "away" && newest > 0 && minutes >= 5;
  putText(
    shown,
    silent ? `${stateText[state]}, the last spot is ${minutes} minutes old` : stateText[state],
  );
  const outage = element("outage");
  if (awaySince !== null)
    putText(
      outage,
      [
        `The API has not answered since ${clockWithSeconds(awaySince)}${isLocal() ? "" : " UTC"}.`,
        ...(newest > 0 ? ["What you see is what came last."] : []),
        "This page tries again by itself.",
      ].join(" "),
    );
  outage.hidden = awaySince === null;
}
