import { need } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { systemFacts, systemSubject } from "../../facts/system/system.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { claimSame, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** The host's own name, now and after a reboot. */
export interface HostnameResource extends Resource {
  readonly kind: "hostname";
  readonly name: "host";
  readonly hostname: string;
}

/** Builds the host name resource. */
export function hostname(name: string): HostnameResource {
  return { kind: "hostname", name: "host", hostname: name };
}

export const hostnameKind: ResourceKind<HostnameResource> = {
  kind: "hostname",
  group: "host",
  needs: () => [need(systemFacts, systemSubject), need(textFacts, "/etc/hostname")],

  diff(resource, facts, context): Change | undefined {
    const live = facts.get(systemFacts, systemSubject)?.hostname;
    const kept = facts.get(textFacts, "/etc/hostname")?.trim();
    if (live === resource.hostname && kept === resource.hostname) return undefined;
    const before = `${context.stackDirectory}/preimages/hostname`;
    return {
      id: idOf(resource),
      action: "update",
      because: `host name is ${live ?? "unknown"}, should be ${resource.hostname}`,
      steps: [
        {
          type: "script",
          title: `name the host ${resource.hostname}`,
          script: sh`[ -e ${before} ] || { cat /proc/sys/kernel/hostname >${`${before}.new`} && sync ${`${before}.new`} && mv ${`${before}.new`} ${before}; }
${setScript(resource.hostname)}`,
        },
      ],
    };
  },

  claims: (resource) => [claimSame(resource, resource.hostname)],
  own: (resource) => ({ kind: "hostname", name: resource.name }),

  remove(owned, _facts, context): Change {
    const before = `${context.stackDirectory}/preimages/hostname`;
    return removeByScript(
      owned,
      "give the host its old name",
      sh`[ -s ${before} ] || exit 0
${setScript({ text: `"$(cat ${sh`${before}`.text})"` })}
rm -f ${before}`,
    );
  },
};

/** Without hostnamectl: that waits for D-Bus, which a small host may not have. */
function setScript(name: string | Script): Script {
  return sh`name=${name}
printf '%s\\n' "$name" >/etc/hostname.hostkit-new
mv -f /etc/hostname.hostkit-new /etc/hostname
printf '%s\\n' "$name" >/proc/sys/kernel/hostname`;
}
