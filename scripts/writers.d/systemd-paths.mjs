// ReadWritePaths=, as systemd's manager tells it over D-Bus.
import { chunks, compare, fileName, sample, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 100_000;

export async function run({ count, seed, host }) {
  const { systemdListPath } = await writer("systemd");
  const values = sample(fileName(), count, seed).map((name) => `/srv/${name}/postgres`);
  const all = write(values, (value) => systemdListPath(value, "-").text);
  const failures = [];
  for (const batch of chunks(all.taken, 4000)) {
    // Some alone, some several in a line.
    const lines = chunks(batch, 3).map(
      (some) => `ReadWritePaths=${some.map(({ written }) => written).join(" ")}\n`,
    );
    const out = await host.run(
      `cat >/run/systemd/system/w.service; systemctl daemon-reload
object=$(busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager LoadUnit s w.service | cut -d'"' -f2)
busctl --json=short get-property org.freedesktop.systemd1 "$object" org.freedesktop.systemd1.Service ReadWritePaths`,
      `[Service]\nType=oneshot\nExecStart=/bin/true\n${lines.join("")}`,
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => `-${value}`),
        JSON.parse(out.toString()).data,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
