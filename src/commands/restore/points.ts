import type { RestorePoint } from "../../facts/postgres/restore-points.ts";
import { formatUtc } from "../../plan/restore/moment.ts";
import { listReachablePoints } from "../../plan/restore/points.ts";
import { table } from "../../report/status.ts";
import { plainText } from "../../report/terminal-text.ts";
import { onEachHost, openProject } from "../../session/project.ts";
import type { Verb } from "../line/verb.ts";
import { reachesOf } from "./choose.ts";
import { assertBackedUp, lookAtCluster } from "./cluster.ts";

/** Restore points that runs made and that backups still lead to. */
export const runRestorePoints: Verb = async (context) => {
  const project = await openProject(context);
  assertBackedUp(project.manifest);
  const hosts = await onEachHost(project.hosts, async (connection, host) => {
    const seen = await lookAtCluster(connection, project);
    const { points } = seen.restore;
    const reachable = listReachablePoints(points, reachesOf(seen), seen.restore);
    return { host: host.name, points: reachable, unreachable: points.length - reachable.length };
  });
  if (context.options.json === true) {
    context.print(JSON.stringify({ hosts }));
    return;
  }
  for (const { host, points, unreachable } of hosts) {
    context.print(context.colors.bold(host));
    context.print(
      points.length === 0
        ? "  none that can be gone back to"
        : table(points.map(renderPoint)).join("\n"),
    );
    if (unreachable > 0)
      context.print(`  and ${unreachable} that no backup and WAL lead to any more`);
  }
};

function renderPoint({ name, time, why }: RestorePoint): string[] {
  return [`name:${name}`, `${formatUtc(Math.floor(time) * 1000)} UTC`, plainText(why)];
}
