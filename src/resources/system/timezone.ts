import { need } from "../../facts/fact.ts";
import { timezoneFacts } from "../../facts/system/timezone.ts";
import { sh } from "../../shell/script.ts";
import { claimSame, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "../resource.ts";

/** The host's time zone (`/etc/localtime`). */
export interface TimezoneResource extends Resource {
  readonly kind: "timezone";
  readonly name: "host";
  /** IANA name: "Europe/Berlin". */
  readonly zone: string;
}

/** Builds the time zone resource. */
export function timezone(zone: string, after: readonly ResourceId[]): TimezoneResource {
  return { kind: "timezone", name: "host", zone, after };
}

export const timezoneKind: ResourceKind<TimezoneResource> = {
  kind: "timezone",
  group: "host",
  needs: (resource) => [need(timezoneFacts, resource.zone)],

  diff(resource, facts, context): Change | undefined {
    if (facts.get(timezoneFacts, resource.zone) === true) return undefined;
    const zone = `/usr/share/zoneinfo/${resource.zone}`;
    const before = `${context.stackDirectory}/preimages/timezone`;
    return {
      id: idOf(resource),
      action: "update",
      because: `local time is not ${resource.zone}`,
      steps: [
        {
          type: "script",
          title: `set the time zone to ${resource.zone}`,
          script: sh`if [ ! -f ${zone} ]; then echo "the host knows no time zone "${resource.zone} >&2; exit 1; fi
if [ ! -e ${before} ]; then readlink /etc/localtime >${`${before}.new`} || true; sync ${`${before}.new`}; mv ${`${before}.new`} ${before}; fi
if [ -e /etc/timezone ]; then echo ${resource.zone} >/etc/timezone; fi
# Last: it is what the next look sees.
ln -sfn ${zone} /etc/localtime.hostkit-new
mv -f -T /etc/localtime.hostkit-new /etc/localtime`,
        },
      ],
    };
  },

  claims: (resource) => [claimSame(resource, resource.zone)],
  own: (resource) => ({ kind: "timezone", name: resource.name }),

  remove(owned, _facts, context): Change {
    const before = `${context.stackDirectory}/preimages/timezone`;
    return removeByScript(
      owned,
      "set the time zone back",
      sh`[ -s ${before} ] || exit 0
ln -sfn "$(cat ${before})" /etc/localtime.hostkit-new
mv -f -T /etc/localtime.hostkit-new /etc/localtime
if [ -e /etc/timezone ]; then sed 's,.*/zoneinfo/,,' ${before} >/etc/timezone; fi
rm -f ${before}`,
    );
  },
};
