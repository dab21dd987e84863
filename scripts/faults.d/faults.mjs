// scripts/faults: see there.
import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { downLabHost } from "../../dist/lab/host.js";
import { labPaths } from "../../dist/lab/paths.js";
import { canonical, canonicalScript, compare } from "./canonical.mjs";
import { freeze, shell, up } from "./hosts.mjs";
import { interrupt, isBridged, prepare } from "./interrupt.mjs";
import { Stack } from "./stack.mjs";
import { allTries } from "./tries.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    sample: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    markdown: { type: "string" },
    os: { type: "string", default: "debian-13" },
  },
});

const chosen = allTries.filter(
  ({ name, isSample }) =>
    (!options.sample || isSample) &&
    (options.only.length === 0 || options.only.some((word) => name.includes(word))),
);
if (options.list) {
  for (const { name } of chosen) console.log(name);
  process.exit(0);
}

const cli = path.resolve(import.meta.dirname, "../../dist/cli.js");
const paths = labPaths();
const hostName = `faults-${process.pid}`;
const frozen = path.join(paths.cache, `faults-${process.pid}`);
const say = (text) => process.stderr.write(`${text}\n`);

/** Calls hostkit; `ended` gives its exit code, and 124 where it took too long. */
function hostkit(folder, ...words) {
  const environment = {
    ...process.env,
    HOME: folder,
    XDG_STATE_HOME: path.join(folder, ".state"),
    NO_COLOR: "1",
  };
  const child = spawn("node", [cli, ...words], {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const call = { child, text: "" };
  const collect = (chunk) => void (call.text += chunk);
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, 900_000);
  call.ended = new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve(isLate ? 124 : (code ?? signal));
    });
  });
  return call;
}

async function mustEndWell(folder, ...words) {
  const call = hostkit(folder, ...words);
  const code = await call.ended;
  if (code !== 0)
    throw new Error(`hostkit ${words.join(" ")} ended with ${code}:\n${call.text.slice(-3000)}`);
}

const lookAt = async (host) => canonical(await shell(host, canonicalScript));
const wordsOf = (scenario) => [scenario === "uninstall" ? "uninstall" : "provision", "--yes"];
const versionOf = { cold: "first", change: "second", release: "release", uninstall: "first" };

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
    const folder = await this.#stack.project("first", host);
    await mustEndWell(folder, "provision", "--yes");
    this.#lines.set("cold", await lookAt(host));
    await freeze(host, frozen, paths);
    await rm(folder, { recursive: true });
  }

  async of(scenario) {
    if (!this.#lines.has(scenario)) {
      const host = await up(hostName, options.os, paths, frozen);
      const folder = await this.#stack.project(versionOf[scenario], host);
      await mustEndWell(folder, ...wordsOf(scenario));
      this.#lines.set(scenario, await lookAt(host));
      await rm(folder, { recursive: true });
    }
    return this.#lines.get(scenario);
  }
}

/** @returns what was wrong, a line each; empty: all well */
async function attempt(one, stack, references) {
  const wanted = await references.of(one.scenario);
  const host = await up(hostName, options.os, paths, one.scenario === "cold" ? undefined : frozen);
  const folder = await stack.project(versionOf[one.scenario], host);
  try {
    await prepare(one, host);
    const first = hostkit(folder, ...wordsOf(one.scenario));
    const missed = await interrupt(one, host, first, paths);
    if (missed !== undefined) return [`was not interrupted: ${missed}`, first.text.slice(-1500)];
    const firstCode = await first.ended;
    const second = hostkit(folder, ...wordsOf(one.scenario));
    const secondCode = await second.ended;
    if (secondCode !== 0)
      return [
        `the plain ${wordsOf(one.scenario)[0]} ended with ${secondCode}`,
        second.text.slice(-2500),
      ];
    const wrong = [];
    if (isBridged(one) && firstCode !== 0)
      wrong.push(`the run itself ended with ${firstCode}`, first.text.slice(-1500));
    if (one.scenario !== "uninstall") {
      const planned = hostkit(folder, "plan");
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
  const rows = results.map(
    ({ name, wrong, seconds }) =>
      `| ${name} | ${wrong.length === 0 ? "as if nothing had been" : `**${wrong[0].split("\n")[0]}**`} | ${seconds} s |`,
  );
  const good = results.filter(({ wrong }) => wrong.length === 0).length;
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
    say(`${wrong.length === 0 ? "✓" : "✗"} ${one.name} (${seconds} s)`);
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
process.exit(results.every(({ wrong }) => wrong.length === 0) ? 0 : 1);
