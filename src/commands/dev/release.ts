import path from "node:path";
import { HostkitError } from "../../errors.ts";
import type { Connection } from "../../host/connection.ts";
import { gatherFacts } from "../../host/gather.ts";
import { assertRunOk } from "../../host/outcome.ts";
import type { LocalFiles } from "../../local/inputs.ts";
import { listMounted, type ServiceSource } from "../../local/sources.ts";
import { openTree } from "../../local/tree.ts";
import type { Manifest, ServiceBase } from "../../manifest/manifest.ts";
import { findObstacles, preconditionNeeds } from "../../plan/preconditions.ts";
import type { Progress } from "../../report/progress.ts";
import type { Blob } from "../../resources/resource.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { activeUnitNeeds, unitsOfService } from "../../stack/active-units.ts";
import type { Context } from "../context.ts";
import { executeRun } from "../execution.ts";
import { newMarker } from "../project.ts";
import type { HostAccess, Project } from "../project.ts";
import { inspect, readWanted } from "../wanted.ts";

/** Where the sources of a service lie on the host while somebody develops. */
function folderOf(project: Pick<Project, "stackDirectory">, service: string): string {
  return `${project.stackDirectory}/dev/${service}`;
}

/** The manifest in which these services have their sources mounted over the image's copy. */
export function withMounts(
  project: Pick<Project, "stackDirectory" | "manifest">,
  sources: readonly ServiceSource[],
): Manifest {
  const mount = <S extends ServiceBase>(service: S): S => {
    const source = sources.find((one) => one.service === service.name);
    if (source === undefined || source.mounts.length === 0) return service;
    const volumes = source.mounts.map((one) => ({
      kind: "bind" as const,
      source: `${folderOf(project, service.name)}/${one.source}`,
      path: one.path,
      readOnly: true,
    }));
    return { ...service, volumes: [...service.volumes, ...volumes] };
  };
  const { manifest } = project;
  return { ...manifest, services: manifest.services.map(mount), web: manifest.web.map(mount) };
}

/** What a pass over the whole stack needs. */
export interface ReleaseInput {
  readonly context: Context;
  readonly project: Project;
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly sources: readonly ServiceSource[];
  /** Contexts whose image stays the one that was built from them then. */
  readonly pins: ReadonlyMap<string, Blob>;
  /** Asked once it is known that something changes; throws to stop. */
  agree(): Promise<void>;
  /** Shows the run. */
  show<T>(work: (progress: Progress) => Promise<T>): Promise<T>;
}

/**
 * Provisions the host with mounted sources.
 * @returns the ids of what was changed
 * @throws HostkitError as `provision` does
 */
export async function releaseAll(input: ReleaseInput): Promise<readonly string[]> {
  const { context, host, connection, sources, pins } = input;
  const manifest = withMounts(input.project, sources);
  const project = { ...input.project, manifest };
  const pin = (files: LocalFiles): LocalFiles => ({
    ...files,
    blobs: new Map([...files.blobs].map(([name, blob]) => [name, pins.get(name) ?? blob])),
  });
  const wanted = await readWanted(context, project, pin);
  const { plan, facts, lockedBy } = await inspect(
    context,
    project,
    wanted,
    connection,
    host,
    preconditionNeeds,
  );
  if (lockedBy !== undefined) {
    throw new HostkitError("run_locked", {
      what: "another run is going on for this stack",
      where: host.name,
      why: lockedBy,
      next: "hostkit attach",
    });
  }
  const [obstacle] = findObstacles(manifest, plan, facts);
  if (obstacle !== undefined) throw obstacle;
  if (plan.changes.length > 0) await input.agree();
  for (const source of sources) await sendAll(input, source);
  if (plan.changes.length > 0) {
    await input.show(async (progress) =>
      assertRunOk(await executeRun(context, project, host, connection, plan, progress), host.name),
    );
  }
  return plan.changes.map(({ id }) => id);
}

/** Brings everything that is mounted; what was there before goes. */
async function sendAll(input: ReleaseInput, source: ServiceSource): Promise<void> {
  if (source.mounts.length === 0) return;
  const folder = folderOf(input.project, source.service);
  await send(
    input.connection,
    source,
    listMounted(source),
    // Not the folder itself: what runs has parts of it mounted.
    sh`umask 022
mkdir -p ${folder}
find ${folder} -mindepth 1 -delete
tar -x --no-same-owner -C ${folder} -f -`,
  );
}

/** The units each service runs in now. */
export async function readUnits(
  project: Project,
  connection: Connection,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { manifest } = project;
  const facts = await gatherFacts(connection, activeUnitNeeds(manifest), newMarker());
  return new Map(
    [...manifest.services, ...manifest.web].map(({ name }) => [
      name,
      unitsOfService(manifest, name, facts),
    ]),
  );
}

/**
 * Sends files of one service and starts it again, in one round trip; returns once its health check passes.
 * @throws HostkitError run_failed with its last lines where it does not come up
 */
export async function syncService(
  project: Project,
  connection: Connection,
  source: ServiceSource,
  difference: { readonly changed: readonly string[]; readonly removed: readonly string[] },
  units: readonly string[],
): Promise<void> {
  const folder = folderOf(project, source.service);
  const service = [...project.manifest.services, ...project.manifest.web].find(
    ({ name }) => name === source.service,
  );
  const grace = service !== undefined && "health" in service ? service.health.graceSeconds : 60;
  const gone = difference.removed.map((entry) => `${folder}/${entry}`);
  const script = joinScripts([
    sh`set -eu
umask 022
cd ${folder}
${gone.length === 0 ? sh`` : sh`rm -rf -- ${gone}`}
tar -x --no-same-owner --recursive-unlink -f -`,
    restartScript(units, grace),
  ]);
  await send(connection, source, difference.changed, script);
}

async function send(
  connection: Connection,
  { blob, service }: ServiceSource,
  entries: readonly string[],
  script: Script,
): Promise<void> {
  const result = await connection.exec(script.text, { stdin: openTree(blob.path, entries) });
  if (result.code === 0) return;
  throw new HostkitError("run_failed", {
    what: `${service} does not come up with these files`,
    where: `${connection.description}, ${path.basename(blob.path)}`,
    details: result.stderr.trim().split("\n").slice(-20),
    next: "mend it and save; the next change is sent at once",
  });
}

/**
 * Ends the units' containers quickly (a second to end by themselves, as nobody's requests are lost here), starts them
 * again and waits until they are healthy. One that ends again at once is reported at once, not after its patience.
 */
function restartScript(units: readonly string[], graceSeconds: number): Script {
  const containers = units.map((unit) => unit.replace(/\.service$/, ""));
  return sh`began=$(date +%s)
systemctl stop --no-block ${units}
docker stop -t 1 ${containers} >/dev/null 2>&1 || true
systemctl stop ${units}
systemctl reset-failed ${units} 2>/dev/null || true
systemctl start --no-block ${units}
deadline=$((began + ${graceSeconds}))
for unit in ${units}; do
  while :; do
    state=$(systemctl show -p ActiveState,NRestarts --value "$unit" | tr ${"\\n"} ' ')
    case $state in
      "active "*) break ;;
      *" 0 "*) [ "$(date +%s)" -lt "$deadline" ] || { echo ${`not healthy after ${graceSeconds} s`} >&2; failed=yes; } ;;
      *) failed=yes ;;
    esac
    if [ -n "\${failed:-}" ]; then
      journalctl -u "$unit" --since "@$began" -n 20 --no-pager -o cat >&2 || true
      exit 1
    fi
    sleep 0.05
  done
done`;
}
