// Lists of algorithms in sshd_config, as sshd -T tells its configuration. Names that are no algorithms must be refused, by one of the two.
import fc from "fast-check";
import { chunks, compare, sample, text, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = true;
export const most = 2_000;

export async function run({ count, seed, host }) {
  const { sshdAlgorithms } = await writer("sshd");
  const known = (await host.run("ssh -Q mac")).toString().trim().split("\n");
  const lists = sample(
    fc.oneof(
      { weight: 4, arbitrary: fc.uniqueArray(fc.constantFrom(...known), { minLength: 1 }) },
      { weight: 1, arbitrary: fc.array(text(), { minLength: 1, maxLength: 3 }) },
    ),
    count,
    seed,
  );
  const all = write(lists, (list) => sshdAlgorithms(list).text);
  const failures = [];
  for (const batch of chunks(all.taken, 200)) {
    const out = await host.run(
      `while IFS= read -r line; do printf 'MACs %s\\nPermitRootLogin no\\n' "$line" >/tmp/w.conf
/usr/sbin/sshd -T -f /tmp/w.conf 2>/dev/null | sed -n 's/^macs //p; s/^permitrootlogin /root /p' | tr '\\n' ' '; echo; done`,
      batch.map(({ written }) => `${written}\n`).join(""),
    );
    const got = out.toString().split("\n").slice(0, -1);
    failures.push(
      ...compare(
        batch.map(({ value }) =>
          value.every((one) => known.includes(one)) ? value.join(",") : "",
        ),
        got.map((line) => /\b(?:root no )?(?:([^ ]+) )?$/.exec(line)?.[1] ?? ""),
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
