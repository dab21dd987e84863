import type { Destination } from "../ssh/destination.ts";
import type { LabOs } from "../lab/systems.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { Manifest } from "../manifest/schema.ts";
import { servicesOf } from "../manifest/services.ts";
import type { Context } from "./context.ts";

/** Name of the lab host that stands for a host of a manifest: at most 31 characters, as lab names are. */
export function twinNameOf(stack: string, host: string): string {
  const name = `${stack}-${host}`.toLowerCase().replace(/[^a-z0-9-]/g, "-");
  return name.slice(0, 31).replace(/-+$/, "");
}

/** Boots the twin of a host, where it is not up already; with the lab's container image, where a build asks for it. */
export async function upTwin(
  context: Context,
  manifest: Manifest,
  host: string,
  os: LabOs | undefined,
): Promise<LabHost> {
  const { upLabHost, findLabHost } = await import("../lab/host.ts");
  const { supervisorRuns } = await import("../lab/power.ts");
  const { labPaths } = await import("../lab/paths.ts");
  const name = twinNameOf(manifest.stack, host);
  const { knowsNodeImage, offerNodeImage, wantsNodeImage } = await import("../lab/image-offer.ts");
  const known = await findLabHost(name);
  // A twin that runs need not be looked after: this saves every command a login.
  const isFit = known !== undefined && (os === undefined || os === known.os);
  const wantsImage = wantsNodeImage(listBuildArguments(manifest));
  const isReady = isFit && (!wantsImage || (await knowsNodeImage(known)));
  if (isReady && (await supervisorRuns(labPaths(), name))) return known;
  const wanted = os ?? known?.os;
  const twin = await upLabHost({
    name,
    ...(wanted === undefined ? {} : { os: wanted }),
    log: context.note,
  });
  if (wantsImage) await offerNodeImage(twin, context.note);
  return twin;
}

/** How to reach the twin of a host: as root, with its own key and its host key pinned. */
export async function labDestinationOf(
  context: Context,
  manifest: Manifest,
  host: string,
): Promise<Destination> {
  const { lab } = context.options;
  const twin = await upTwin(context, manifest, host, lab === "any" ? undefined : (lab as LabOs));
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

function listBuildArguments(manifest: Manifest): string[] {
  return servicesOf(manifest).flatMap(({ source }) =>
    source.kind === "build" ? Object.values(source.args) : [],
  );
}
