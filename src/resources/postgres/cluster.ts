import { need } from "../../facts/fact.ts";
import { clusterFacts } from "../../facts/postgres/postgres.ts";
import { dataDirectory, postgresConfigDirectory, psqlScript } from "../../facts/postgres/psql.ts";
import { sh } from "../../shell/script.ts";
import { postgresUnitOf } from "./unit.ts";
import { idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";

/** That there is a cluster `main`: its package makes one, unless it was told not to or was there before. Data: never made anew. */
export interface PostgresClusterResource extends Resource {
  readonly kind: "postgres-cluster";
  readonly major: number;
  /** For a cluster that is made: a port that nobody else has. */
  readonly port: number;
}

/** The resource after which there is a cluster; nobody has started it with hostkit's settings yet. */
export function postgresClusterId(major: number): ResourceId {
  return idsOf("postgres-cluster")(`${major}/main`);
}

/** Builds a cluster; its name is `17/main`. */
export function postgresCluster(
  options: Omit<PostgresClusterResource, "kind" | "name">,
): PostgresClusterResource {
  return { kind: "postgres-cluster", name: `${options.major}/main`, ...options };
}

export const postgresClusterKind: ResourceKind<PostgresClusterResource> = {
  kind: "postgres-cluster",
  group: "database",
  touches: () => ["postgres"],
  needs: (resource) => [need(clusterFacts, String(resource.major))],

  diff(resource, facts, context): Change | undefined {
    const { major, name, port } = resource;
    const fact = facts.get(clusterFacts, String(major));
    if (!context.isUnfinished && fact !== undefined && fact.state !== "missing") return undefined;
    const others = fact?.others ?? [];
    const config = postgresConfigDirectory(major);
    return {
      id: idOf(resource),
      action: "create",
      because:
        others.length === 0
          ? "does not exist"
          : `does not exist; it comes beside ${others.join(", ")}, on port ${port}`,
      steps: [
        {
          type: "script",
          title: `make PostgreSQL's cluster ${name}`,
          // The package may have made it in this run, on a port of its own choice; it has not been started yet. One that a killed
          // run left half done was never started either: its first start writes postmaster.opts.
          script: sh`: >"$HOSTKIT_STACK_DIRECTORY/made-postgresql-"${major}
half="$HOSTKIT_STACK_DIRECTORY/making-postgresql-"${major}
if [ -e "$half" ] && [ ! -e ${`${dataDirectory(major)}/postmaster.opts`} ]; then
  hk_remove_tree ${dataDirectory(major)} ${config}
fi
if [ ! -e ${`${config}/postgresql.conf`} ]; then
  : >"$half"
  pg_createcluster --locale C.UTF-8 -e UTF8 -p ${port} ${major} main
fi
rm -f "$half"
if [ "$(pg_conftool -s ${major} main show port)" != ${port} ] && ! systemctl is-active -q ${postgresUnitOf(major)}; then
  pg_conftool ${major} main set port ${port}
fi`,
        },
      ],
    };
  },

  own: (resource) => ({ kind: "postgres-cluster", name: resource.name, major: resource.major }),
  removalNeeds: (owned) => [need(clusterFacts, String(owned["major"]))],

  /** Only one that hostkit made, only with its data, and only when nobody else has a database in it. */
  remove(owned, facts, context): Change | undefined {
    const major = Number(owned["major"]);
    const state = facts.get(clusterFacts, String(major))?.state;
    if (!context.deleteData || state === undefined || state === "missing") return undefined;
    const foreign =
      "select datname from pg_database where not datistemplate and datname <> 'postgres'";
    return removeByScript(
      owned,
      `drop PostgreSQL's cluster ${owned.name}`,
      sh`[ -e ${`${postgresConfigDirectory(major)}/postgresql.conf`} ] || exit 0
for key in temporary before; do
  # What a restore of one database keeps aside is of this stack.
  aside=$(sed -n "s/^$key //p" "$HOSTKIT_STACK_DIRECTORY/restore/state" 2>/dev/null || :)
  [ -z "$aside" ] || echo ${'drop database if exists :"aside" with (force)'} | ${psqlScript(major)} -v aside="$aside" || :
done
if ! ${psqlScript(major, "postgres", ["-c", foreign])} >databases; then
  echo "PostgreSQL cannot be asked what else is in it; the cluster stays" >&2
elif [ -s databases ]; then
  echo "kept, because others have databases in it:" >&2
  cat databases >&2
else
  pg_dropcluster --stop ${major} main
  hk_remove_tree ${`${dataDirectory(major)}.hostkit-restore`}
  rm -f "$HOSTKIT_STACK_DIRECTORY/made-postgresql-"${major}
fi`,
      "its data is to be deleted",
    );
  },
};
