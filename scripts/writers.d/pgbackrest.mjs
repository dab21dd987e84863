// Paths in pgbackrest.conf, as pgBackRest's own help tells the current value.
import { chunks, compare, fileName, sample, write, writer } from "./values.mjs";

export const packages = ["pgbackrest"];
export const needsHost = true;
export const most = 2_000;

export async function run({ count, seed, host }) {
  const { pgbackrestPath } = await writer("pgbackrest");
  const all = write(
    sample(fileName(), count, seed).map((name) => `/srv/${name}/postgres`),
    (value) => pgbackrestPath(value).text,
  );
  const failures = [];
  for (const batch of chunks(all.taken, 500)) {
    const out = await host.run(
      `mkdir -p /tmp/none; while IFS= read -r line; do printf '[global]\\nrepo1-path=%s\\n' "$line" >/tmp/pgbackrest.conf
pgbackrest --config=/tmp/pgbackrest.conf --config-include-path=/tmp/none help backup repo-path | tr '\\n' ' ' ; printf '\\0'; done`,
      batch.map(({ written }) => `${written}\n`).join(""),
    );
    const got = out
      .toString()
      .split("\0")
      .slice(0, -1)
      .map((said) => /current: (.*?) *(?:default: .*)?$/s.exec(said)?.[1]);
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
