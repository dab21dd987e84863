import { sendLayers } from "../host/send-layers.ts";
import type { SendProgress } from "../host/send-layers.ts";
import { openLayer } from "../local/image-archive.ts";
import type { LayoutFile } from "../plan/bundle.ts";
import type { Plan } from "../plan/types.ts";
import { formatBytes } from "../report/bytes.ts";
import type { Progress } from "../report/progress-options.ts";
import { writeLayout } from "../resources/containers/packed-image.ts";
import type { Delivery } from "../resources/containers/packed-image.ts";
import type { ResourceId } from "../resources/resource.ts";
import type { Connection } from "../ssh/connection.ts";
import { newMarker } from "./project.ts";
import type { DeliveredImages } from "./built-images.ts";
import type { HostAccess } from "./project.ts";

export interface DeliverOptions {
  readonly host: HostAccess;
  readonly connection: Connection;
  readonly plan: Plan;
  readonly show: Progress;
  /** All layers, whatever the host says that it has. */
  readonly isWhole: boolean;
  readonly images: DeliveredImages;
}

/** A line of progress at most so often. */
const lineMs = 5000;

/** Sends the layers that a plan's images lack on the host; gives what the run is told of each image besides. */
export async function deliverImages(
  options: DeliverOptions,
): Promise<ReadonlyMap<ResourceId, readonly LayoutFile[]>> {
  const layouts = new Map<ResourceId, readonly LayoutFile[]>();
  for (const { id, delivers } of options.plan.changes) {
    if (delivers !== undefined) layouts.set(id, await deliverOne(options, delivers));
  }
  return layouts;
}

async function deliverOne(
  { host, connection, plan, show, isWhole, images }: DeliverOptions,
  delivery: Delivery,
): Promise<readonly LayoutFile[]> {
  const { reference, service } = delivery;
  const { archive, image } = await images.get(delivery);
  const notice = (line: string): void => show.notice(host.name, `${service}: ${line}`);
  const { sizes, known, layers, bytes } = await sendLayers(connection, {
    ...{ stackDirectory: plan.stackDirectory, reference, service, image },
    ...{ from: archive.path, isWhole, newMarker },
    open: (layer, from) => openLayer(archive, layer, from),
    onProgress: everySoOften(({ sent, total }) =>
      notice(`${formatBytes(sent)} of ${formatBytes(total)} sent`),
    ),
    onNotice: notice,
  });
  notice(
    `${known === 0 ? "" : `${known} of ${layers} layers were there, `}${formatBytes(bytes)} sent`,
  );
  return writeLayout(image, reference, sizes);
}

/** Not for what is over at once. */
function everySoOften(tell: (progress: SendProgress) => void): (progress: SendProgress) => void {
  let last = performance.now();
  return (progress) => {
    if (performance.now() - last < lineMs) return;
    last = performance.now();
    tell(progress);
  };
}
