// What a no-op costs by the number of resources: the same host with more and more services.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { round, takeTurns } from "./measure.mjs";

/** A native service is seven resources: user, two folders, environment, unit file, unit, and its place in the target. */
const servicesAt = [0, 80, 160, 320];

export async function rowGrowth(bench) {
  const { project, hosts } = bench;
  await hosts.down("growth");
  const host = await hosts.up("growth", bench.snapshots.hostkit);
  await project.setHosts({ target: host });
  await project.settle();
  const { services } = parse(
    await readFile(new URL("stack/hostkit.yaml", import.meta.url), "utf8"),
  );
  const result = {};
  try {
    for (const more of servicesAt) {
      const sleepers = Array.from({ length: more }, (_, index) => [
        `sleeper${index}`,
        { exec: "/usr/bin/sleep infinity", env: { N: String(index) } },
      ]);
      await project.edit(["services"], { ...services, ...Object.fromEntries(sleepers) });
      await project.settle();
      const resources = Number(
        await hosts.shell(host, "wc -l </var/lib/hostkit/hybrid/state.jsonl"),
      );
      bench.log(`${resources} resources`);
      const { hostkit } = await takeTurns(
        { hostkit: { measure: () => project.provision("nothing") } },
        5,
        bench,
      );
      result[String(resources)] = hostkit;
    }
    return { ...result, millisecondsPerResource: slope(result) };
  } finally {
    await project.edit(["services"], services);
    await project.setHosts({ target: bench.ownHost });
    await hosts.down("growth");
  }
}

/** Between the smallest and the largest. */
function slope(result) {
  const points = Object.entries(result).map(([count, { median }]) => [Number(count), median]);
  const [first, last] = [points[0], points.at(-1)];
  return round(((last[1] - first[1]) * 1000) / (last[0] - first[0]));
}
