import { readMark } from "../facts/containers/traffic.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import { lookCloser } from "../host/obstacles.ts";
import { assertRunOk, explainLocked } from "../host/outcome.ts";
import type { LocalFiles } from "../local/inputs.ts";
import type { ServiceSource } from "../local/sources.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { servicesOf } from "../manifest/services.ts";
import type { Progress } from "../report/progress-options.ts";
import type { Blob } from "../resources/resource.ts";
import { activeUnitNeeds, unitsOfService } from "../stack/services/active-units.ts";
import { upstreamFileOf } from "../stack/services/service-places.ts";
import type { Context } from "../session/context.ts";
import { executeRun } from "../session/watch-run.ts";
import { newMarker } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { inspect, readWanted } from "../session/wanted.ts";
import { withMounts } from "./mounts.ts";
import type { Place } from "./scripts.ts";
import { putBackSources, settleSources, stageSources } from "./sync.ts";
import { releaseId } from "../resources/containers/release.ts";

/** What a pass over the whole stack needs. */
export interface ReleaseInput {
  readonly context: Context;
  readonly project: Project;
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly sources: readonly ServiceSource[];
  /** Contexts whose image stays the one that was built from them then. */
  readonly pins: ReadonlyMap<string, Blob>;
  /** Shows the run. */
  show<T>(work: (progress: Progress) => Promise<T>): Promise<T>;
}

/** What a pass did. */
export interface Released {
  /** Ids of what was changed. */
  readonly ids: readonly string[];
  /** Services whose mounted files are others now, and that were not started anew by it. */
  readonly waiting: readonly ServiceSource[];
}

/**
 * Provisions the host with mounted sources. When that fails, what runs keeps the sources it has.
 * @throws HostkitError as `provision` does
 */
export async function releaseAll(input: ReleaseInput): Promise<Released> {
  const { context, host, connection, sources, pins } = input;
  const manifest = withMounts(input.project.manifest, sources);
  const project = { ...input.project, manifest };
  const pin = (files: LocalFiles): LocalFiles => ({
    ...files,
    blobs: new Map([...files.blobs].map(([name, blob]) => [name, pins.get(name) ?? blob])),
  });
  const wanted = await readWanted(context, project, pin);
  const inspection = await inspect(context, project, wanted, connection, host);
  const { plan, lockedBy } = inspection;
  if (lockedBy !== undefined) throw explainLocked(host.name, lockedBy);
  const { obstacles } = await lookCloser(connection, manifest, inspection, newMarker());
  const [obstacle] = obstacles;
  if (obstacle !== undefined) throw obstacle;
  const staged = await stageSources(connection, manifest.stack, sources);
  const ids = plan.changes.map(({ id }) => id);
  if (ids.length > 0) {
    try {
      await input.show(async (progress) =>
        assertRunOk(
          await executeRun(context, project, host, connection, plan, progress),
          host.name,
        ),
      );
    } catch (error) {
      // Where the link is lost nothing can be put back; the next pass looks at everything anew.
      await putBackSources(connection, manifest.stack, staged).catch(() => undefined);
      throw error;
    }
  }
  // A release that is only written down is not started.
  const started = new Set(
    plan.changes.flatMap(({ id, action }): string[] => (action === "run" ? [] : [id])),
  );
  const isStarted = ({ service }: ServiceSource) => started.has(releaseId(service));
  await settleSources(connection, manifest.stack, staged.filter(isStarted));
  return { ids, waiting: staged.filter((source) => !isStarted(source)) };
}

/** Where each service stands now. */
export async function readPlaces(
  manifest: Manifest,
  connection: Connection,
): Promise<ReadonlyMap<string, Place>> {
  const facts = await gatherFacts(connection, activeUnitNeeds(manifest), newMarker());
  return new Map(
    servicesOf(manifest).map(({ name }) => {
      const mark = readMark(facts, upstreamFileOf(manifest.stack, name));
      const [markLine = ""] = (mark?.text ?? "").split("\n");
      const units = unitsOfService(manifest, name, facts);
      return [name, { units, markPath: mark?.path ?? "", markLine }];
    }),
  );
}
