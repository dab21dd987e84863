// scripts/faults: see there.
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { downLabHost } from "../../dist/lab/host.js";
import { labPaths } from "../../dist/lab/paths.js";
import { canonical, canonicalScript, compare } from "./canonical.mjs";
import { freeze, shell, up } from "./hosts.mjs";
import { callHostkit, mustEndWell } from "./hostkit.mjs";
import { guardSeconds, interrupt, isBridged, prepare } from "./interrupt.mjs";
import { Stack } from "./stack.mjs";
import { allTries } from "./tries.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    sample: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    times: { type: "string", default: "1" },
    markdown: { type: "string" },
    os: { type: "string", default: "debian-13" },
  },
});

const chosen = allTries
  .filter(
    ({ name, isSample }) =>
      (!options.sample || isSample) &&
      (options.only.length === 0 || options.only.some((word) => name.includes(word))),
  )
  .flatMap((one) => Array.from({ length: Number(options.times) }, () => one));
if (options.list) {
  for (const { name } of chosen) console.log(name);
  process.exit(0);
}

const paths = labPaths();
const hostName = `faults-${process.pid}`;
const frozen = path.join(paths.cache, `faults-${process.pid}`);
const say = (text) => process.stderr.write(`${text}\n`);

const isGood = ({ wrong }) => wrong.length === 0;
/** What is left on the host of what went wrong. */
const testimony = `cd /var/lib/hostkit; ls -laR guards 2>&1; tail -n 4 guards/*/log 2>/dev/null
for run in $(ls -d */runs/* | tail -n 2); do echo "== $run"; tail -n 12 "$run/events"; cat "$run/guards.log" 2>/dev/null; done; true`;
const lookAt = async (host) => canonical(await shell(host, canonicalScript));
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** What is interrupted, the one command after it, and which version of the stack both are given. */
const scenarios = {
  cold: { version: "first", first: "provision", after: "provision" },
  begun: { version: "first", first: "provision", after: "uninstall" },
  change: { version: "second", first: "provision", after: "provision" },
  release: { version: "release", first: "provision", after: "provision" },
  uninstall: { version: "first", first: "uninstall", after: "uninstall" },
};
const isBare = (scenario) => ["cold", "begun"].includes(scenario);

/** Hosts on which nothing was interrupted. */
class References {
  #stack;
  #lines = new Map();

  constructor(stack) {
    this.#stack = stack;
  }

  /** Provisions a bare host and keeps its disk for the others. */
  async begin() {
    const host = await up(hostName, options.os, paths);
    this.#lines.set("begun", await lookAt(host));
    const folder = await this.#stack.project("first", host);
    await mustEndWell(folder, ["provision", "--yes"]);
    this.#lines.set("cold", await lookAt(host));
    await freeze(host, frozen, paths);
    await rm(folder, { recursive: true });
  }

  async of(scenario) {
    if (!this.#lines.has(scenario)) {
      const { version, first } = scenarios[scenario];
      const host = await up(hostName, options.os, paths, frozen);
      const folder = await this.#stack.project(version, host);
      await mustEndWell(folder, [first, "--yes"]);
      this.#lines.set(scenario, await lookAt(host));
      await rm(folder, { recursive: true });
    }
    return this.#lines.get(scenario);
  }
}

/** @returns what was wrong, a line each; empty: all well */
async function attempt(one, stack, references) {
  const wanted = await references.of(one.scenario);
  const { version, ...commands } = scenarios[one.scenario];
  const host = await up(hostName, options.os, paths, isBare(one.scenario) ? undefined : frozen);
  const folder = await stack.project(version, host);
  try {
    await prepare(one, host);
    const first = callHostkit(folder, [commands.first, "--yes"]);
    const missed = await interrupt(one, host, first, paths);
    if (missed !== undefined) return [`was not interrupted: ${missed}`, first.text.slice(-1500)];
    const firstCode = await first.ended;
    const second = callHostkit(folder, [commands.after, "--yes"]);
    const secondCode = await second.ended;
    if (secondCode !== 0)
      return [
        `the plain ${commands.after} ended with ${secondCode}`,
        second.text.slice(-2500),
        await shell(host, testimony),
      ];
    await pause(guardSeconds(one));
    const wrong = [];
    if (isBridged(one) && firstCode !== 0)
      wrong.push(`the run itself ended with ${firstCode}`, first.text.slice(-1500));
    if (commands.after === "provision") {
      const planned = callHostkit(folder, ["plan"]);
      if ((await planned.ended) !== 0)
        wrong.push("the plan is not empty", planned.text.slice(-1500));
    }
    wrong.push(...compare(wanted, await lookAt(host)));
    return wrong;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function renderTable(results) {
  const good = results.filter(isGood).length;
  const names = [...new Set(results.map(({ name }) => name))];
  const rows = names.map((name) => {
    const ones = results.filter((one) => one.name === name);
    const firstBad = ones.find((one) => !isGood(one));
    const then =
      firstBad === undefined
        ? "as if nothing had been"
        : `**${firstBad.wrong[0].split("\n")[0].replaceAll("|", "\\|")}**`;
    const count = ones.length === 1 ? "" : `${ones.filter(isGood).length} of ${ones.length}: `;
    const seconds = Math.round(ones.reduce((sum, one) => sum + one.seconds, 0) / ones.length);
    return `| ${name} | ${count}${then} | ${seconds} s |`;
  });
  return [
    `${good} of ${results.length} on ${options.os}: the plain command ends well, and the host is as if nothing had been.`,
    "",
    "| what, by what, when | then | took |",
    "|---|---|---|",
    ...rows,
  ].join("\n");
}

process.on("SIGINT", () => process.exit(130));
await mkdir(paths.cache, { recursive: true });
const stack = await Stack.make(paths.cache);
const references = new References(stack);
const results = [];
try {
  say("provisions the host that the others are compared with");
  await references.begin();
  for (const one of chosen) {
    const startedAt = Date.now();
    const wrong = await attempt(one, stack, references).catch((error) => [
      `the try broke: ${error.message}`,
    ]);
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    results.push({ ...one, wrong, seconds });
    say(`${isGood({ wrong }) ? "✓" : "✗"} ${one.name} (${seconds} s)`);
    for (const line of wrong.slice(0, 40)) say(`    ${line.replaceAll("\n", "\n    ")}`);
  }
} finally {
  await downLabHost(hostName, paths);
  await rm(frozen, { recursive: true, force: true });
  await stack.remove();
}
const table = renderTable(results);
console.log(table);
if (options.markdown !== undefined) await writeFile(options.markdown, `${table}\n`);
process.exit(results.every(isGood) ? 0 : 1);
