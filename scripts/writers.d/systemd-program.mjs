// The first word of ExecStart=: programs with names that people do not give.
import { chunks, compare, fileName, sample, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 2_000;

export async function run({ count, seed, host }) {
  const { systemdExec } = await writer("systemd");
  const values = sample(fileName(), count, seed).map((name) => `/tmp/w/p/${name}`);
  const all = write([...new Set(values)], (value) => systemdExec([value]).text);
  const failures = [];
  await host.run(
    "cat >/tmp/said; mkdir -p /tmp/w",
    '#!/bin/sh\nprintf "%s\\0" "$0" >>/tmp/w/out\n',
  );
  for (const batch of chunks(all.taken, 500)) {
    await host.run(
      "rm -rf /tmp/w/p; mkdir -p /tmp/w/p; xargs -0 install -m 0755 -T /tmp/said /tmp/w/p/.first 2>/dev/null; :",
      "",
    );
    await host.run(
      'while IFS= read -r -d \'\' name; do cp /tmp/said "$name"; chmod 755 "$name"; done',
      batch.map(({ value }) => `${value}\0`).join(""),
    );
    const out = await host.run(
      "cat >/run/systemd/system/w.service; rm -f /tmp/w/out; systemctl daemon-reload; systemctl start w.service >&2; cat /tmp/w/out",
      `[Service]\nType=oneshot\n${batch.map(({ written }) => `ExecStart=${written}\n`).join("")}`,
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
