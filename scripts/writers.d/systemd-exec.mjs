// ExecStart= lines, started by systemd itself: a program prints its words.
import { chunks, compare, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 100_000;

const wordsOfALine = 50;
const linesOfAUnit = 40;

export async function run({ count, seed, host }) {
  const { systemdExec } = await writer("systemd");
  const all = write(sample(text(), count, seed), (value) => systemdExec(["/x", value]).text);
  const failures = [];
  await host.run(
    "cat >/usr/local/bin/words; chmod 755 /usr/local/bin/words; mkdir -p /tmp/w",
    '#!/bin/sh\nprintf "%s\\0" "$@" >>/tmp/w/out\n',
  );
  for (const batch of chunks(all.taken, wordsOfALine * linesOfAUnit)) {
    const lines = chunks(batch, wordsOfALine).map(
      (words) =>
        `ExecStart=${systemdExec(["/usr/local/bin/words", ...words.map(({ value }) => value)]).text}\n`,
    );
    const out = await host.run(
      "cat >/run/systemd/system/w.service; rm -f /tmp/w/out; systemctl daemon-reload; systemctl start w.service >&2; cat /tmp/w/out",
      `[Service]\nType=oneshot\n${lines.join("")}`,
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        out.toString().split("\0").slice(0, -1),
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
