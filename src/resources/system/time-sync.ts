import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { installedUnitFacts } from "../../facts/units/unit.ts";
import { containerFacts, containerSubject } from "../../facts/system/virtualization.ts";
import { sh } from "../../shell/script.ts";
import { aptPrelude, installScript } from "../packages/apt.ts";
import { claimSame, idOf, idsOf } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";

/**
 * A clock that is kept right by one time daemon: the one that is there, else systemd-timesyncd. Not part of the one apt
 * transaction, because time daemons exclude each other and only the host knows which one it has. Nothing in a container.
 */
export interface TimeSyncResource extends Resource {
  readonly kind: "time-sync";
  readonly name: "host";
}

/** Builds the time synchronisation resource. */
export function timeSync(
  after: readonly ResourceId[],
  shared: NonNullable<Resource["shared"]> = "default",
): TimeSyncResource {
  return { kind: "time-sync", name: "host", shared, after };
}

/** The one of a host. */
export const timeSyncId = idsOf("time-sync")("host");

/** Units of the time daemons in Debian and Ubuntu; the last one is our choice where there is none. */
const daemons = [
  "chrony.service",
  "ntpsec.service",
  "ntp.service",
  "openntpd.service",
  "systemd-timesyncd.service",
] as const;

function findDaemon(facts: Facts): string | undefined {
  return daemons.find((name) => facts.get(installedUnitFacts, name)?.loadState === "loaded");
}

export const timeSyncKind: ResourceKind<TimeSyncResource> = {
  kind: "time-sync",
  group: "host",
  needs: () => [
    need(containerFacts, containerSubject),
    ...daemons.map((name) => need(installedUnitFacts, name)),
  ],

  diff(resource, facts): Change | undefined {
    if ((facts.get(containerFacts, containerSubject) ?? "") !== "") return undefined;
    const found = findDaemon(facts);
    const fact = found === undefined ? undefined : facts.get(installedUnitFacts, found);
    if (fact?.activeState === "active" && fact.unitFileState === "enabled") return undefined;
    const name = found ?? "systemd-timesyncd.service";
    return {
      id: idOf(resource),
      action: found === undefined ? "create" : "update",
      because:
        found === undefined ? "no time daemon" : `${name} is ${fact?.activeState ?? "not loaded"}`,
      steps: [
        ...(found === undefined
          ? [
              {
                type: "script" as const,
                title: "install systemd-timesyncd",
                script: sh`${aptPrelude}
asked=systemd-timesyncd
apt_install_options=
set -- systemd-timesyncd
${installScript}`,
              },
            ]
          : []),
        {
          type: "script",
          title: `start ${name}`,
          script: sh`systemctl unmask ${name} 2>/dev/null || true
systemctl enable --now -q ${name}`,
        },
      ],
    };
  },

  claims: (resource) => [claimSame(resource, "yes")],

  /** The package is in the ledger of installed packages and goes with it. */
  own: () => undefined,
  remove: () => undefined,
};
