import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { swapFacts } from "../../facts/system/swap.ts";
import { unitFacts } from "../../facts/units/unit.ts";
import { containerFacts, containerSubject } from "../../facts/system/virtualization.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { claimSame, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A swap file with a systemd unit of its own, so that /etc/fstab stays the administrator's. Nothing in a container. */
export interface SwapResource extends Resource {
  readonly kind: "swap";
  /** The file; also the name. */
  readonly path: "/swapfile";
  /** 0: no swap file of ours. */
  readonly bytes: number;
}

/** Builds the swap resource. */
export function swapFile(bytes: number): SwapResource {
  return { kind: "swap", name: "/swapfile", path: "/swapfile", bytes };
}

/** systemd wants the unit to be named after the path it swaps to. */
const unitName = "swapfile.swap";
const unitPath = `/etc/systemd/system/${unitName}`;
const unitText = `# Written by hostkit (section \`host\`).
[Unit]
Description=Swap file

[Swap]
What=/swapfile

[Install]
WantedBy=swap.target
`;

export const swapKind: ResourceKind<SwapResource> = {
  kind: "swap",
  group: "host",
  needs: (resource) => [
    need(swapFacts, resource.path),
    need(fileFacts, unitPath),
    need(unitFacts, unitName),
    need(containerFacts, containerSubject),
  ],

  diff(resource, facts, context): Change | undefined {
    if ((facts.get(containerFacts, containerSubject) ?? "") !== "") return undefined;
    const fact = facts.get(swapFacts, resource.path) ?? { fileBytes: 0, isActive: false };
    if (resource.bytes === 0) return context.isOwned ? takeAway(resource, facts) : undefined;
    const isForeign = fact.isActive && !context.isOwned && fact.fileBytes === resource.bytes;
    const isRight = fact.isActive && fact.fileBytes === resource.bytes;
    const isEnabled = facts.get(unitFacts, unitName)?.unitFileState === "enabled";
    if (isRight && (isEnabled || isForeign)) return undefined;
    return {
      id: idOf(resource),
      action: fact.fileBytes === 0 ? "create" : "update",
      because: isRight
        ? `${unitName} is not enabled`
        : `swap file has ${fact.fileBytes} bytes${fact.isActive ? "" : " and is not in use"}, should have ${resource.bytes}`,
      steps: [
        {
          type: "put",
          path: unitPath,
          content: { text: unitText },
          mode: "0644",
          owner: "root",
          group: "root",
        },
        {
          type: "script",
          title: `make a swap file of ${Math.round(resource.bytes / 1048576)} MiB`,
          script: sh`systemctl daemon-reload
${isRight ? sh`` : makeScript(resource)}
systemctl enable --now -q ${unitName}`,
        },
      ],
    };
  },

  claims: (resource) => [claimSame(resource, String(resource.bytes))],
  own: (resource) => (resource.bytes === 0 ? undefined : { kind: "swap", name: resource.name }),
  removalNeeds: (owned) => [need(swapFacts, owned.name), need(fileFacts, unitPath)],

  remove: (owned, facts) => takeAway(owned, facts),
};

/** Some file systems refuse files with holes as swap: where fallocate(1) cannot, the blocks are written. */
function makeScript(resource: SwapResource): Script {
  const { path, bytes } = resource;
  return sh`if grep -q ${`^${path} `} /proc/swaps; then swapoff ${path}; fi
rm -f ${path}
free=$(($(df -Pk / | awk ${"NR==2 {print $4}"}) * 1024))
if [ "$free" -lt ${bytes + 268435456} ]; then echo "only $free bytes are free on /" >&2; exit 1; fi
install -m 0600 /dev/null ${path}
fallocate -l ${bytes} ${path} || head -c ${bytes} /dev/zero >${path}
mkswap -q ${path}`;
}

/** Also where somebody took the file away: its unit would fail at every boot. */
function takeAway(resource: Pick<Resource, "kind" | "name">, facts: Facts): Change | undefined {
  const bytes = facts.get(swapFacts, resource.name)?.fileBytes ?? 0;
  if (bytes === 0 && facts.get(fileFacts, unitPath) === undefined) return undefined;
  return removeByScript(
    resource,
    "remove the swap file",
    sh`systemctl disable --now -q ${unitName} || true
if grep -q ${`^${resource.name} `} /proc/swaps; then swapoff ${resource.name}; fi
rm -f ${resource.name} ${unitPath}
systemctl daemon-reload`,
  );
}
