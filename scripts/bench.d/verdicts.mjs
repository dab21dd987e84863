// What the medians mean: ratios, and targets met or missed.
import { round } from "./measure.mjs";

export const peerNames = ["bundlewrap", "Ansible with mitogen", "Ansible"];

/** The faster of the two ways to run the probe; none: that row has no floor. */
export function floorOf(row) {
  const ways = ["probe on stdin", "probe as argument"].flatMap((name) => row?.[name] ?? []);
  return ways.sort((left, right) => left.median - right.median)[0];
}

/** For each row: hostkit over the floor, and each peer over hostkit. */
export function ratiosOf(rows) {
  const ratios = {};
  for (const [name, { tools }] of Object.entries(rows)) {
    const own = tools.hostkit?.median;
    if (own === undefined) continue;
    const floor = floorOf(tools);
    const found = {};
    if (floor !== undefined) found["hostkit / floor"] = round(own / floor.median, 2);
    const bare = tools["apt, hostkit's packages"]?.median;
    if (bare !== undefined) found["hostkit / apt and images"] = round(own / bare, 2);
    for (const peer of peerNames) {
      if (tools[peer] !== undefined)
        found[`${peer} / hostkit`] = round(tools[peer].median / own, 1);
    }
    ratios[name] = found;
  }
  return ratios;
}

/** Every target of which the numbers are there. `value` and `limit` are in the target's own unit. */
export function verdictsOf(rows) {
  const tools = (name) => rows[name]?.tools;
  const overFloor = (name) => divide(tools(name)?.hostkit?.median, floorOf(tools(name))?.median);
  const own = (name) => tools(name)?.hostkit;
  const memory = (name, count) =>
    divide(own(name)?.peakMegabytes - own("noop")?.peakMegabytes, count - 1);
  const list = [
    target("nothing to change, local network", "× floor", overFloor("noop"), "≤", 2),
    target(
      "nothing to change, against bundlewrap",
      "× as fast",
      divide(tools("noop")?.bundlewrap?.median, own("noop")?.median),
      "≥",
      4,
    ),
    target("nothing to change, 40 ms round trip", "× floor", overFloor("wan"), "≤", 1.7),
    target("plan", "× floor", overFloor("plan"), "≤", 2),
    target("one file of one service changed", "s", own("edit")?.median, "≤", 1.2),
    target(
      "bare Debian 13 to the whole host",
      "× apt and images",
      divide(own("cold")?.median, tools("cold")?.["apt, hostkit's packages"]?.median),
      "≤",
      1.3,
    ),
    target("10 hosts, nothing to change", "× floor", overFloor("ten"), "≤", 2),
    target(
      "100 hosts: seconds a host against 10 hosts",
      "×",
      divide(own("hundred")?.median, 10 * tools("hundred")?.["hostkit, 10 hosts"]?.median),
      "≤",
      1,
    ),
    target(
      "100 hosts: peak memory of the controller",
      "MB",
      own("hundred")?.peakMegabytes,
      "<",
      300,
    ),
    target("1 host: peak memory of the controller", "MB", own("noop")?.peakMegabytes, "≤", 90),
    target(
      "memory of the controller for each further host (of 10)",
      "MB",
      memory("ten", 10),
      "<",
      5,
    ),
    target(
      "memory of the controller for each further host (of 100)",
      "MB",
      memory("hundred", 100),
      "<",
      5,
    ),
    target(
      "time for each further resource",
      "ms",
      rows.growth?.tools.millisecondsPerResource,
      "<",
      1,
    ),
    target("CPU time of the host, nothing to change", "s", own("noop")?.hostCpuSeconds, "<", 0.2),
  ];
  return list.filter(({ value }) => value !== undefined);
}

function target(what, unit, value, relation, limit) {
  if (value === undefined || !Number.isFinite(value)) return { what };
  const shown = round(value, 2);
  const met = { "≤": shown <= limit, "<": shown < limit, "≥": shown >= limit }[relation];
  return { what, value: shown, unit, relation, limit, met };
}

function divide(left, right) {
  return left === undefined || right === undefined ? undefined : left / right;
}
