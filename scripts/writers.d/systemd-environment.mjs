// EnvironmentFile=, read by systemd itself: a process of a unit prints its environment.
import { chunks, compareEnvironment, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 100_000;

const known =
  /^(?:PATH|LANG|LC_\w+|HOME|USER|LOGNAME|SHELL|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_\w+|MEMORY_\w+)$/;

export async function run({ count, seed, host }) {
  const { writeSystemdVariable } = await writer("environment");
  const all = write(sample(text(), count, seed), (value) => writeSystemdVariable("V", value));
  const failures = [];
  await host.run("mkdir -p /tmp/w");
  for (const batch of chunks(all.taken, 1000)) {
    const file = batch.map(({ value }, at) => writeSystemdVariable(`V${at}`, value)).join("");
    const out = await host.run(
      "cat >/tmp/w/env; systemd-run --quiet --wait --pipe --collect -p EnvironmentFile=/tmp/w/env cat /proc/self/environ </dev/null",
      file,
    );
    failures.push(...compareEnvironment(batch, out, known));
  }
  return { tried: count, refused: all.refused, failures };
}
