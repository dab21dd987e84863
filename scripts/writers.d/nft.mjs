// Comments of rules, as nft lists them from the kernel.
import { chunks, compare, isText, sample, text, write, writer } from "./values.mjs";

export const packages = ["nftables"];
export const needsHost = true;
export const most = 100_000;

export async function run({ count, seed, host }) {
  const { nft, nftPorts, nftString } = await writer("nft");
  const values = sample(text(), count, seed).filter((one) => one !== "" && isText(one));
  const all = write(
    values,
    (value) => nft`tcp dport ${nftPorts(1, 9)} accept comment ${nftString(value)}`.text,
  );
  const failures = [];
  for (const batch of chunks(all.taken, 2000)) {
    const out = await host.run(
      "cat >/tmp/w.nft; nft -f /tmp/w.nft && nft -j list chain inet w c && nft delete table inet w",
      `table inet w {\nchain c {\n${batch.map(({ written }) => `${written}\n`).join("")}}\n}\n`,
    );
    const got = JSON.parse(out.toString()).nftables.flatMap((one) =>
      one.rule === undefined ? [] : [one.rule.comment],
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
