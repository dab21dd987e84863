import type { HostTarget } from "../host/connection.ts";
import type { LabOs } from "../lab/base.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { Context } from "./context.ts";

/** Name of the lab host that stands for a host of a manifest: at most 31 characters, as lab names are. */
export function twinNameOf(stack: string, host: string): string {
  const name = `${stack}-${host}`.toLowerCase().replace(/[^a-z0-9-]/g, "-");
  return name.slice(0, 31).replace(/-+$/, "");
}

/** Boots the twin of a host, where it is not up already. */
export async function upTwin(
  context: Context,
  stack: string,
  host: string,
  os: LabOs | undefined,
): Promise<LabHost> {
  const { upLabHost, findLabHost } = await import("../lab/host.ts");
  const name = twinNameOf(stack, host);
  // "any" takes the twin as it stands.
  const wanted = os ?? (await findLabHost(name))?.os;
  return upLabHost({ name, ...(wanted === undefined ? {} : { os: wanted }), log: context.note });
}

/** How to reach the twin of a host: as root, with its own key and its host key pinned. */
export async function labTargetOf(
  context: Context,
  stack: string,
  host: string,
): Promise<HostTarget> {
  const { lab } = context.options;
  const twin = await upTwin(context, stack, host, lab === "any" ? undefined : (lab as LabOs));
  return {
    name: host,
    address: twin.address,
    user: twin.user,
    port: twin.port,
    identity: twin.keyPath,
    hostKey: twin.hostKey,
    jump: "none",
  };
}
