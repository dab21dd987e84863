import type { Finding, Pointer } from "../problems.ts";
import { parsePublishedPort } from "../sections/normalize-services.ts";
import { complain, type Rule, type RuleInput } from "./rule.ts";

export const portRules: readonly Rule[] = [nativeMapping, portCollision, replicasPublish];

function nativeMapping({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, runtime }) =>
    (entry.ports ?? []).flatMap((port, index) => {
      const { outside, inside } = parsePublishedPort(port);
      if (runtime === "container" || outside === inside) return [];
      return [
        complain(
          [...pointer, "ports", index],
          "a native program listens where it listens: both numbers are the same",
        ),
      ];
    }),
  );
}

/** Everything that listens on the host itself; web containers have loopback ports of hostkit's choice. */
function portCollision(input: RuleInput): Finding[] {
  const { written, services } = input;
  const taken = new Map<string, string>([["22/tcp", "ssh"]]);
  for (const entry of Object.values(written.hosts)) {
    if (typeof entry === "object" && entry?.port !== undefined)
      taken.set(`${entry.port}/tcp`, "ssh");
  }
  if (written.database !== undefined) taken.set("5432/tcp", "PostgreSQL");
  if (Object.keys(written.proxy?.sites ?? {}).length > 0) {
    for (const each of ["80/tcp", "443/tcp", "443/udp"]) taken.set(each, "the proxy");
  }
  const findings: Finding[] = [];
  const claim = (key: string, owner: string, pointer: Pointer) => {
    const other = taken.get(key);
    if (other === undefined) taken.set(key, owner);
    else findings.push(complain(pointer, `port ${key} already belongs to ${other}`));
  };
  for (const { pointer, web, runtime, entry } of services) {
    const owner = pointer.join(".");
    const own = new Set<string>();
    if (web !== undefined && runtime === "native") {
      own.add(`${web.port}/tcp`);
      claim(`${web.port}/tcp`, owner, [...pointer, "port"]);
    }
    (entry.ports ?? []).forEach((port, index) => {
      const { outside, protocol } = parsePublishedPort(port);
      const key = `${outside}/${protocol}`;
      // A native web service may publish the very port it listens on.
      if (!own.delete(key)) claim(key, owner, [...pointer, "ports", index]);
    });
  }
  return findings;
}

function replicasPublish({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, web }) =>
    (web?.replicas ?? 1) > 1 && (entry.ports ?? []).length > 0
      ? [
          complain(
            [...pointer, "ports"],
            "replicas cannot share a published port; let the proxy stand in front",
            { at: "key" },
          ),
        ]
      : [],
  );
}
