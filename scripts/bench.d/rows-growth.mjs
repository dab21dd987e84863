// What a no-op costs by the number of resources: the same host with more and more services and database roles.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { round, takeTurns } from "./measure.mjs";

/**
 * How many more services there are. A native service is seven resources: user, two folders, environment, unit file, unit, and its
 * place in the target; with each come 46 roles, of one resource each.
 */
const servicesAt = [0, 38];
const rolesPerService = 46;

export async function rowGrowth(bench) {
  const { project, hosts } = bench;
  const stack = parse(await readFile(new URL("stack/hostkit.yaml", import.meta.url), "utf8"));
  const grow = async (more) => {
    const manifest = grown(stack, more);
    await project.edit(["services"], manifest.services);
    await project.edit(["database", "roles"], manifest.roles);
  };
  const tools = {};
  const counts = new Map();
  try {
    for (const more of servicesAt) {
      let host = bench.ownHost;
      const name = `grown-${more}`;
      if (more > 0) {
        await bench.ensureSnapshot(name, "stack", async (made) => {
          await project.setHosts({ target: made });
          await grow(more);
          await project.provision("changes");
        });
        host = await hosts.up(name, bench.snapshots[name]);
      }
      const prepare = async () => {
        await project.setHosts({ target: host });
        await grow(more);
      };
      await prepare();
      await project.settle();
      const state = await hosts.shell(host, "wc -l </var/lib/hostkit/hybrid/state.jsonl");
      counts.set(name, Number(state));
      bench.log(`${name} has ${Number(state)} resources`);
      tools[name] = { prepare, measure: () => project.provision("nothing") };
    }
    const taken = await takeTurns(tools, 7, bench);
    const result = Object.fromEntries(
      Object.entries(taken).map(([name, summary]) => [String(counts.get(name)), summary]),
    );
    return { ...result, millisecondsPerResource: slope(result) };
  } finally {
    await grow(0);
    await project.setHosts({ target: bench.ownHost });
    for (const more of servicesAt.slice(1)) await hosts.down(`grown-${more}`);
  }
}

function grown({ services, database }, more) {
  const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);
  const sleepers = numbers(more).map((at) => [
    `sleeper${at}`,
    { exec: "/usr/bin/sleep infinity", env: { N: String(at) } },
  ]);
  const grants = [{ schema: "scrape", on: "all tables", privileges: ["select"] }];
  const readers = numbers(more * rolesPerService).map((at) => [`reader${at}`, { grants }]);
  return {
    services: { ...services, ...Object.fromEntries(sleepers) },
    roles: { ...database.roles, ...Object.fromEntries(readers) },
  };
}

/** Between the smallest and the largest. */
function slope(result) {
  const points = Object.entries(result).map(([count, { median }]) => [Number(count), median]);
  const [first, last] = [points[0], points.at(-1)];
  return round(((last[1] - first[1]) * 1000) / (last[0] - first[0]));
}
