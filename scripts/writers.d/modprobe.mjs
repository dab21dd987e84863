// Names of kernel modules in modprobe.d, as modprobe tells its configuration.
import { chunks, compare, sample, text, write, writer } from "./values.mjs";
import fc from "fast-check";

export const packages = ["kmod"];
export const needsHost = true;
export const most = 100_000;

const name = () =>
  fc.oneof(
    text(),
    fc.string({ unit: fc.constantFrom(..."abxyzAZ019_-"), minLength: 1, maxLength: 20 }),
  );

export async function run({ count, seed, host }) {
  const { moduleName } = await writer("modprobe");
  const all = write(sample(name(), count, seed), (value) => moduleName(value).text);
  const failures = [];
  for (const batch of chunks(all.taken, 2000)) {
    const out = await host.run(
      "cat >/tmp/w.conf; modprobe -C /tmp/w.conf --showconfig",
      batch.map(({ written }, at) => `install ${written} /bin/false ${at}\n`).join(""),
    );
    // modprobe takes "-" for "_", and lists in an order of its own.
    const got = [];
    for (const line of out.toString().split("\n")) {
      const [, module, at] = /^install (.*) \/bin\/false (\d+)$/.exec(line) ?? [];
      if (at !== undefined) got[Number(at)] = module;
    }
    failures.push(
      ...compare(
        batch.map(({ value }) => value.replaceAll("-", "_")),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
