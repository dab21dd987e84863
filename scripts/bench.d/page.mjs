// docs/performance.md from the results: the page holds no number that is not in them.
import { floorOf, peerNames } from "./verdicts.mjs";

const titles = {
  noop: "nothing to change, local network",
  wan: "nothing to change, 40 ms round trip",
  plan: "`plan` (`bw verify`, `--check --diff`)",
  edit: "one file of one service changed, the service restarted",
  cold: "bare Debian 13 to the whole host",
  ten: "10 hosts, nothing to change",
  hundred: "100 hosts, nothing to change",
};

export function renderPage(results, comparison) {
  const { rows, machine, versions, ratios, targets, failures } = results;
  return `<!-- Written by scripts/bench. -->

# How fast

One end state, written four times: for hostkit, for Ansible in its fastest configuration (pipelining, ControlPersist), for Ansible
with mitogen, and for bundlewrap with a shared ssh connection. Identical lab hosts, all tools in turn in one run, every run with
a connection of its own; medians, and in brackets the least and the most. The floor is one OpenSSH login that runs one
shell script which looks at the same things, with nobody reading what it says.

## Seconds

| the work | hostkit | bundlewrap | Ansible with mitogen | Ansible | floor |
|---|---|---|---|---|---|
${Object.entries(titles)
  .filter(([name]) => rows[name] !== undefined)
  .map(([name, title]) => secondsLine(title, rows[name].tools))
  .join("\n")}

${rows.cold === undefined ? "" : `${renderCold(rows.cold.tools)}\n\n`}${
    Object.keys(failures ?? {}).length === 0
      ? ""
      : `Not measured in the last run, because it failed: ${Object.keys(failures).join(", ")}.

`
  }## Ratios

| the work | hostkit ÷ floor | bundlewrap ÷ hostkit | with mitogen ÷ hostkit | Ansible ÷ hostkit |
|---|---|---|---|---|
${Object.entries(ratios)
  .filter(([, found]) => Object.keys(found).length > 0)
  .map(([name, found]) => ratioLine(titles[name] ?? name, found))
  .join("\n")}

## Targets

| | reached | target | |
|---|---|---|---|
${targets.map(({ what, value, unit, relation, limit, met }) => `| ${what} | ${value} ${unit} | ${relation} ${limit} ${unit} | ${met ? "met" : "**missed**"} |`).join("\n")}

${renderCosts(rows)}## The floors

| | ${Object.keys(rows)
    .filter((name) => floorOf(rows[name].tools) !== undefined)
    .map((name) => titles[name])
    .join(" | ")} |
|---|${Object.keys(rows)
    .filter((name) => floorOf(rows[name].tools) !== undefined)
    .map(() => "---|")
    .join("")}
${["ssh true", "probe on stdin", "probe as argument", "hostkit's own probe"].map((name) => floorLine(name, rows)).join("\n")}

\`ssh true\` is \`ssh HOST true\`. The probe is \`scripts/bench.d/peers/probe.sh\` on the peers' host, sent in two ways; the faster one is the
floor. hostkit's own probe is what hostkit really sent for a provision with nothing to do, taken down by sshd and sent again by
OpenSSH's client to the same host: the difference to hostkit's line is Node.js, reading the manifest, and comparing.

${comparison}

## Measured on

${machine.cpu}, ${machine.cores} cores, ${machine.memoryMegabytes} MB, Linux ${machine.kernel}, ${machine.system}; controller and hosts share it, so a host's work
is in every number. Lab hosts are those of [lab.md](lab.md), Debian ${versions.host.debian} with python3 and python3-apt. The 40 ms are a TUN wire with 20 ms
in each direction (\`scripts/bench.d/wire.c\`). hostkit's ten hosts have ten addresses each in the row of 100, and are probed there by
sixteen OpenSSH clients at a time, as many as hostkit looks at.

| | version |
|---|---|
${Object.entries({ ...versions.controller, ...versions.peers, ...versions.host })
  .map(([name, version]) => `| ${name} | ${version} |`)
  .join("\n")}

| row | measured | commit | load before | stolen | runs of hostkit, ${peerNames.join(", ")} |
|---|---|---|---|---|---|
${Object.entries(rows)
  .map(([name, row]) => measuredLine(name, row))
  .join("\n")}

The load is the machine's one-minute load average as the row began. Where it is above 1, others were at work beside the benchmark:
then the ratios, taken in turns within a minute, are worth more than the seconds. Stolen is what the hypervisor gave to others while this
machine wanted to work, of all that it wanted. CPU times do not hold it, but the same work takes up to 1.4 times as much of them while
others use the same processor (measured with a loop that does nothing else).${renderNotes(rows)}

## Again

\`\`\`
scripts/bench                  everything; writes this page and performance.json beside it
scripts/bench --quick          the rows with nothing to change; writes no page
scripts/bench --rows cold,ten  some rows; the others stay as they are
scripts/bench --json           one JSON object: every median, ratio, target and version
\`\`\`

The first call builds a controller root with the peers and two snapshots of provisioned hosts, beside the lab's base images.
After that \`--quick\` is meant to take less than three minutes on an idle machine, and everything about three quarters of an hour; beside
other work both take longer. It needs root.
`;
}

function secondsLine(title, tools) {
  const cells = ["hostkit", ...peerNames].map((name) => spread(tools[name]));
  const floor = tools["apt, hostkit's packages"] ?? floorOf(tools);
  return `| ${title} | ${cells.join(" | ")} | ${spread(floor)} |`;
}

/** Median, and how far the runs were apart. */
function spread(tool) {
  if (tool === undefined) return "–";
  const { median, least, most, runs } = tool;
  const text = `**${seconds(median)}**`;
  return runs === 1 ? `${text} (once)` : `${text} (${number(least)}–${number(most)})`;
}

function ratioLine(title, found) {
  const cells = ["hostkit / floor", ...peerNames.map((peer) => `${peer} / hostkit`)];
  const own = found["hostkit / floor"] ?? found["hostkit / apt and images"];
  return `| ${title} | ${own ?? "–"} | ${cells
    .slice(1)
    .map((key) => found[key] ?? "–")
    .join(" | ")} |`;
}

function floorLine(name, rows) {
  const shown = Object.values(rows).filter(({ tools }) => floorOf(tools) !== undefined);
  return `| ${name} | ${shown.map(({ tools }) => seconds(tools[name]?.median)).join(" | ")} |`;
}

function renderCold(tools) {
  const parts = ["apt, hostkit's packages", "apt, the peers' packages"]
    .filter((name) => tools[name] !== undefined)
    .map((name) => {
      const { median, aptSeconds, imageSeconds } = tools[name];
      return `${name}: ${seconds(median)} (apt-get ${seconds(aptSeconds)}, two \`docker build\` ${seconds(imageSeconds)})`;
    });
  return `The floor of the cold provision is \`apt-get update && apt-get install\` and two image builds, typed by hand. ${parts.join("; ")}.
hostkit installs more than the peers (pgBackRest, AIDE, debsums), hardens more, and makes the first backups before it is done.`;
}

function renderCosts(rows) {
  const lines = [];
  const add = (what, tool) => {
    if (tool === undefined) return;
    lines.push(
      `| ${what} | ${seconds(tool.median)} | ${seconds(tool.cpuSeconds)} | ${tool.peakMegabytes?.toFixed(0) ?? "–"} MB | ${seconds(tool.hostCpuSeconds)} |`,
    );
  };
  for (const name of ["ssh true", "probe as argument", "hostkit's own probe"])
    add(`${name}, 1 host`, rows.noop?.tools[name]);
  for (const name of ["hostkit", ...peerNames]) add(`${name}, 1 host`, rows.noop?.tools[name]);
  for (const name of ["hostkit", ...peerNames]) add(`${name}, 10 hosts`, rows.ten?.tools[name]);
  add("hostkit, 10 hosts, beside the next", rows.hundred?.tools["hostkit, 10 hosts"]);
  add("hostkit, 100 hosts", rows.hundred?.tools.hostkit);
  for (const [count, tool] of Object.entries(rows.growth?.tools ?? {})) {
    if (typeof tool === "object") add(`hostkit, 1 host, ${count} resources`, tool);
  }
  if (lines.length === 0) return "";
  return `## What a run with nothing to change costs

| | wall | controller's CPU | controller's peak memory | host's CPU |
|---|---|---|---|---|
${lines.join("\n")}

The controller's CPU time is that of all processes of the tool; its memory that of the largest process, as \`time -v\` tells it. The host's
CPU time is that of all of its processes, less what they use in as much time when nobody asks anything.

`;
}

/** What was special about a measurement, in the words of whoever started it (--note). */
function renderNotes(rows) {
  const notes = new Map();
  for (const [name, { note }] of Object.entries(rows)) {
    if (note !== undefined) notes.set(note, [...(notes.get(note) ?? []), name]);
  }
  return [...notes].map(([note, names]) => ` ${names.join(", ")}: ${note}`).join("");
}

function measuredLine(name, { date, commit, load, stolen, tools }) {
  const own = tools.hostkit ?? Object.values(tools).find((tool) => typeof tool === "object");
  const runs = [own?.runs, ...peerNames.map((peer) => tools[peer]?.runs)].filter(
    (count) => count !== undefined,
  );
  return `| ${name} | ${date} | ${commit} | ${load ?? "–"} | ${stolen === undefined ? "–" : `${Math.round(stolen * 100)} %`} | ${runs.join(", ")} |`;
}

function seconds(value) {
  return value === undefined ? "–" : `${number(value)} s`;
}

function number(value) {
  return value.toFixed(value < 10 ? 2 : 1);
}
