// Runs programs and says what they cost; medians.
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";

/** Ends what is being measured: the benchmark is to clean up and go. */
export const interrupt = new AbortController();
// Many programs run at once with a hundred hosts.
setMaxListeners(0, interrupt.signal);

/**
 * Runs one command to its end under time(1).
 * @returns seconds (wall), cpuSeconds (the command and its children), peakMegabytes (of the largest process), text, code
 * @throws when it ends with another code than those of `codes`; the message has the end of its output
 */
export async function run(words, { codes = [0], input, cwd, env, timeoutSeconds = 900 } = {}) {
  const report = path.join(tmpdir(), `hostkit-bench-${randomBytes(6).toString("hex")}`);
  const started = performance.now();
  const result = await execa("time", ["-q", "-f", "%U %S %M", "-o", report, ...words], {
    all: true,
    reject: false,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env, extendEnv: false }),
    timeout: timeoutSeconds * 1000,
    maxBuffer: 1e9,
    cancelSignal: interrupt.signal,
  });
  const seconds = (performance.now() - started) / 1000;
  const costs = (await readFile(report, "utf8").catch(() => "")).trim().split(/\s+/).map(Number);
  await rm(report, { force: true });
  interrupt.signal.throwIfAborted();
  if (!codes.includes(result.exitCode)) {
    const end = (result.all ?? "").trimEnd().split("\n").slice(-25).join("\n");
    throw new Error(
      `${words.join(" ").slice(0, 300)}\nended with ${result.exitCode ?? "a signal"}:\n${end}`,
    );
  }
  const [user = 0, system = 0, peak = 0] = costs;
  return {
    seconds,
    cpuSeconds: user + system,
    peakMegabytes: peak / 1024,
    text: result.all ?? "",
    code: result.exitCode,
  };
}

/** Ticks since boot that this machine worked, and that it wanted to while the hypervisor ran somebody else (proc(5), `steal`). */
export async function readProcessorTicks() {
  const [user, nice, system, , , irq, softirq, stolen] = (await readFile("/proc/stat", "utf8"))
    .split("\n", 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { worked: user + nice + system + irq + softirq, stolen };
}

export function median(values) {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, least and most of what the samples have in common; all seconds, so that others can count again. */
export function summarize(samples) {
  const of = (key) => samples.map((sample) => sample[key]).filter((value) => value !== undefined);
  const seconds = of("seconds");
  const summary = {
    median: round(median(seconds)),
    least: round(Math.min(...seconds)),
    most: round(Math.max(...seconds)),
    runs: seconds.length,
    seconds: seconds.map((value) => round(value)),
  };
  for (const key of [
    "cpuSeconds",
    "peakMegabytes",
    "hostCpuSeconds",
    "aptSeconds",
    "imageSeconds",
  ]) {
    const values = of(key);
    if (values.length > 0) summary[key] = round(median(values));
  }
  return summary;
}

export function round(value, digits = 3) {
  return Number(value.toFixed(digits));
}

/** Milliseconds after which others of this machine get a turn between two rounds. */
const longestAlone = 120_000;

/**
 * Measures several tools in turn, round by round, so that what disturbs the machine disturbs all of them.
 * @param tools name → { measure() → sample, prepare?(), rounds? (how often at most) }
 * @param bench log(line), mostRounds (--rounds) and alone(work), which keeps others of this machine quiet for some rounds
 * @returns name → summary
 */
export async function takeTurns(tools, rounds, { log, alone, mostRounds }) {
  rounds = Math.min(rounds, mostRounds);
  const samples = new Map(Object.keys(tools).map((name) => [name, []]));
  const takeTurn = async (turn) => {
    for (const [name, tool] of Object.entries(tools)) {
      if (turn >= (tool.rounds ?? rounds)) continue;
      interrupt.signal.throwIfAborted();
      await tool.prepare?.();
      const sample = await tool.measure();
      samples.get(name).push(sample);
      const host =
        sample.hostCpuSeconds === undefined
          ? ""
          : `   CPU of the host ${sample.hostCpuSeconds.toFixed(3)} s`;
      log(`  ${name.padEnd(24)} ${sample.seconds.toFixed(2).padStart(7)} s${host}`);
    }
  };
  let turn = 0;
  while (turn < rounds) {
    await alone(async () => {
      const until = performance.now() + longestAlone;
      do {
        await takeTurn(turn);
        turn += 1;
      } while (turn < rounds && performance.now() < until);
    });
  }
  return Object.fromEntries([...samples].map(([name, taken]) => [name, summarize(taken)]));
}
