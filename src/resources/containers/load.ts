import { joinScripts, sh } from "../../shell/script.ts";
import type { Refusal, Step } from "../resource.ts";
import type { BuildSource } from "./build-source.ts";
import type { Delivery, ImageArchive, PackedImage } from "./packed-image.ts";
import { alsoRuns } from "./platforms.ts";

/** An image that lies in an archive on the controller. */
export interface ArchiveSource {
  readonly kind: "archive";
  readonly archive: ImageArchive;
  /** Whose it is. */
  readonly service: string;
  /** Docker's name of the host's own architecture. */
  readonly architecture: string;
}

/** An image that is built on the controller, or on a host for others. */
export interface ElsewhereSource {
  readonly kind: "elsewhere";
  /** `here`, or the host. */
  readonly on: string;
  readonly build: BuildSource;
  /** Whose it is. */
  readonly service: string;
  /** Docker's name of the architecture that it is for. */
  readonly architecture: string;
}

/** Folder of a change in its run where all of an image besides its layers stands. */
export const layoutFolder = "image";

/** Where the layers of an image stand on a host until it is loaded; below the stack's folder. */
export function layersFolderOf(stackDirectory: string, reference: string): string {
  return `${stackDirectory}/layers/${nameOfFolder(reference)}`;
}

/** Folder of all layers that are on their way. */
export function layersDirectoryOf(stackDirectory: string): string {
  return `${stackDirectory}/layers`;
}

function nameOfFolder(reference: string): string {
  return reference.replace(/^.*\//, "").replace(":", "-");
}

/** The exit code of a load that lacks layers which the host had when it was looked at. */
export const layersGone = 74;

/** The image of an archive that a host runs. */
export function chooseImage({
  archive,
  architecture,
}: Pick<ArchiveSource, "archive" | "architecture">): PackedImage | undefined {
  const runnable = [architecture, ...(alsoRuns[architecture] ?? [])];
  const fits = runnable.map((one) =>
    archive.images.find(({ platform }) => `${platform}/`.startsWith(`linux/${one}/`)),
  );
  return fits.find((image) => image !== undefined);
}

/** Why a host cannot run any image of an archive; undefined: it can. */
export function refuseArchive(source: ArchiveSource): Refusal | undefined {
  if (chooseImage(source) !== undefined) return undefined;
  const { archive, architecture, service } = source;
  return {
    code: "image_unfit",
    what: `the image of ${service} does not run on this host, which is linux/${architecture}`,
    why: `${archive.path} is for ${archive.images.map(({ platform }) => platform).join(", ")}; nothing was sent or changed`,
    next: `build it for this host and save it anew: docker build --platform linux/${architecture} …, docker save NAME:TAG -o FILE`,
  };
}

/** What goes to the host before the run; undefined: nothing of it runs there. */
export function deliver(
  reference: string,
  source: ArchiveSource | ElsewhereSource,
): Delivery | undefined {
  const { service } = source;
  if (source.kind === "elsewhere") {
    const { on, build, architecture } = source;
    return { reference, service, origin: { kind: "elsewhere", on, build, architecture } };
  }
  const image = chooseImage(source);
  if (image === undefined) return undefined;
  return { reference, service, origin: { kind: "archive", archive: source.archive, image } };
}

/** The steps that make an image of what was sent. */
export function loadSteps(reference: string): Step[] {
  return [
    {
      type: "script",
      title: `load ${reference}`,
      bound: { seconds: 3600, waitsFor: "Docker, which unpacks the image" },
      script: loadScript(reference),
    },
  ];
}

/**
 * Docker reads the image from a pipe: there is no second copy of it. The layers go whatever comes of it; of what it could not take, Docker
 * keeps nothing but, with containerd's store, a name that leads nowhere.
 */
function loadScript(reference: string): ReturnType<typeof sh> {
  return joinScripts([
    sh`layers="$HOSTKIT_STACK_DIRECTORY"/layers/${nameOfFolder(reference)}
mkdir -p "$layers"/blobs
rm -rf "$layers"/part
trap ${'rm -rf "$layers"; rmdir "$HOSTKIT_STACK_DIRECTORY"/layers 2>/dev/null || true'} EXIT
code=0
said=$({ tar -c -f - -C ${layoutFolder} . -C "$layers" blobs | docker load --quiet; } 2>&1) || code=$?
if [ "$code" -eq 0 ] && docker image inspect ${reference} >/dev/null; then exit 0; fi
docker image rm ${reference} >/dev/null 2>&1 || true
case $said in
*"o space left on device"*)
  echo ${"the disk of the host is full: Docker had no room to unpack the image. Free space under /var/lib/docker (docker system df), then run the same command again"} >&2
  exit 1 ;;
*blobs/sha256/*"no such file or directory"* | *"failed to extract layer"*"not found"* | *"failed to get reader from content store"*)
  echo ${"layers that the host had are gone; they are sent now"} >&2
  exit ${layersGone} ;;
esac
echo "docker could not read the image:" >&2
printf ${"%s\\n"} "$said" | tail -n 20 >&2
exit 1`,
  ]);
}
