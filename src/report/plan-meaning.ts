import type { Estimate } from "../plan/page/estimate.ts";
import type { Installs, RunningService } from "../plan/page/contents.ts";
import type { PlanPage } from "../plan/page/page.ts";
import type { Pause } from "../plan/page/pauses.ts";
import type { Openings } from "../plan/page/reach.ts";
import { formatBytes } from "./bytes.ts";
import { formatSeconds } from "./duration.ts";

type Row = readonly [label: string, text: string];

/** So many are named; more are counted. */
const fewPackages = 4;
/** New services that are shown by their names and addresses. */
const shownServices = 8;

/** What a plan means, row by row; what it does not touch is left out. */
export function listMeanings(page: PlanPage): Row[] {
  const { restores, pauses, cuts, removes, replaces, final, guarded } = page;
  return [
    ...describeServices(page.runs),
    ...describePackages(page.installs, page.sends),
    ...list("builds", page.builds ?? [], "; the layers that the host lacks are sent"),
    ...list("restores", restores),
    ...list("restarts", pauses.map(describePause)),
    ...cuts.map((cut): Row => ["cuts", cut]),
    ...describeOpenings(page.openings),
    ...list("removes", removes, "; databases and volumes stay"),
    ...list("replaces", replaces, " (a copy is kept for uninstall)"),
    ...list("no undo", final),
    ...(guarded.length === 0
      ? []
      : [
          [
            "guarded",
            `${guarded.join(" and ")}, undone if this machine cannot get in afterwards`,
          ] as const,
        ]),
    ["takes", describeEstimate(page.takes)],
  ];
}

function list(label: string, items: readonly string[], end = ""): Row[] {
  return items.length === 0 ? [] : [[label, `${items.join(", ")}${end}`]];
}

function describeServices(runs: readonly RunningService[]): Row[] {
  const shown = runs.slice(0, shownServices);
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  const rows = shown.map(({ name, runtime, from, at }): Row => {
    const where = at.length === 0 ? "" : `${at.join(", ")}  `;
    return ["runs", `${name.padEnd(width)}  ${where}${runtime} (${from})`];
  });
  return runs.length > shown.length
    ? [...rows, ["runs", `and ${runs.length - shown.length} more`]]
    : rows;
}

function describePackages(installs: Installs | undefined, sends: number): Row[] {
  const sent = sends < 1024 ? [] : [`${formatBytes(sends)} are sent from here`];
  if (installs === undefined) return sent.map((text) => ["sends", text]);
  const { packages, count, archives, installed } = installs;
  const isFew = packages.length <= fewPackages;
  const names = isFew ? packages.join(", ") : `${packages.length} packages`;
  const whole =
    count === undefined
      ? `${names} and what ${packages.length === 1 ? "it needs" : "they need"}`
      : count > packages.length
        ? `${names}; ${count} packages with all that is needed`
        : names;
  const sizes = [
    ...(archives === undefined ? [] : [`${formatBytes(archives * 1024)} to fetch`]),
    ...(installed === undefined ? [] : [`${formatBytes(installed * 1024)} on the disk`]),
  ];
  return [["installs", [whole, ...sizes, ...sent].join("; ")]];
}

function describePause({ what, onlyIf, seconds, isPartly }: Pause): string {
  const known = seconds === undefined ? undefined : formatSeconds(seconds);
  const away =
    known === undefined
      ? "not known for how long"
      : isPartly === true
        ? `for a part of the release, which took ${known} last time`
        : `${known} last time`;
  return `${what} (${onlyIf === undefined ? away : `only if ${onlyIf}; ${away}`})`;
}

function describeOpenings({ opens, closes, isUnguarded, isNew }: Openings): Row[] {
  const listening =
    closes.length === 0 ? "nothing listens there now" : `now open: ${closes.join(", ")}`;
  return [
    ...list("opens", opens, isUnguarded ? " (there is no firewall)" : ""),
    ...(isNew
      ? [["closes", `every other port from outside but ssh; ${listening}`] as const]
      : list("closes", closes)),
  ];
}

/** Measured on this very host, or said to be unknown. */
function describeEstimate({ seconds, unknown }: Estimate): string {
  const shown = unknown.slice(0, 3).join(", ");
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : "";
  if (seconds === undefined)
    return unknown.length === 0
      ? "not measured on this host yet; only what is usually quick"
      : "not known: nothing like it was done on this host yet";
  const about = formatSeconds(Math.max(1, Math.round(seconds))).replace(".0 s", " s");
  return unknown.length === 0
    ? `about ${about}, by this host's last runs`
    : `${about} or more; not known for ${shown}${more}`;
}
