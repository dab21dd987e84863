// Values to the end of a line (Description=), one a unit, as systemctl tells them.
import { chunks, compare, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 10_000;

export async function run({ count, seed, host }) {
  const { systemdText } = await writer("systemd");
  const all = write(
    sample(
      text().filter((one) => one !== ""),
      count,
      seed,
    ),
    (value) => systemdText(value).text,
  );
  const failures = [];
  for (const batch of chunks(all.taken, 500)) {
    const out = await host.run(
      `rm -f /run/systemd/system/w-*.service; cd /run/systemd/system
at=0; while IFS= read -r line; do printf '%s\\n' "[Unit]" "$line" "[Service]" ExecStart=/bin/true >w-$at.service; at=$((at + 1)); done
systemctl daemon-reload
systemctl show -p Description $(seq -f w-%.0f.service 0 ${batch.length - 1})`,
      batch.map(({ written }) => `Description=${written}\n`).join(""),
    );
    const got = out
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.slice("Description=".length));
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
