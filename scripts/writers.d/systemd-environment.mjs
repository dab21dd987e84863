// EnvironmentFile=, read by systemd itself: a process of a unit prints its environment.
import { chunks, compare, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 100_000;

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
    const got = new Map(
      out
        .toString()
        .split("\0")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        batch.map((_, at) => got.get(`V${at}`)),
      ),
    );
    const known =
      /^(?:V\d+|PATH|LANG|LC_\w+|HOME|USER|LOGNAME|SHELL|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_\w+|MEMORY_\w+|)$/;
    for (const name of got.keys())
      if (!known.test(name)) failures.push(`a variable ${name} came out of nowhere`);
  }
  return { tried: count, refused: all.refused, failures };
}
