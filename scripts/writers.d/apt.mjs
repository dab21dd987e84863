// Strings of apt.conf, as apt-config reads them back.
import { chunks, compare, isText, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 100_000;

export async function run({ count, seed, host }) {
  const { aptString } = await writer("apt");
  const values = sample(text(), count, seed).filter((one) => one !== "" && isText(one));
  const all = write(values, (value) => aptString(value).text);
  const failures = [];
  for (const batch of chunks(all.taken, 2000)) {
    const out = await host.run(
      "cat >/tmp/w.conf; APT_CONFIG=/tmp/w.conf apt-config dump --no-empty --format '%F=%v%n' Hostkit",
      `Hostkit {\n${batch.map(({ written }) => `  ${written};\n`).join("")}};\n`,
    );
    const got = out
      .toString()
      .split("\n")
      .filter((line) => line.startsWith("Hostkit::="))
      .map((line) => line.slice("Hostkit::=".length));
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
