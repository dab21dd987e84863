import { chooseImage } from "../../resources/containers/load.ts";
import type { ArchiveSource } from "../../resources/containers/load.ts";
import { idOfImage, isImageArchive } from "../../resources/containers/packed-image.ts";
import { dockerArchitectureOf } from "../../resources/containers/platforms.ts";
import type { StackInputs } from "../inputs.ts";

/**
 * An image in a file, and the text that its identity is the hash of: the image's id, so that the same image out of another archive is
 * the same.
 */
export function describeArchive(
  { blobs, system }: Pick<StackInputs, "blobs" | "system">,
  name: string,
  path: string,
): { readonly source: ArchiveSource; readonly identity: string } {
  const archive = blobs.get(path);
  if (archive === undefined) throw new TypeError(`no blob for ${path}`);
  if (!isImageArchive(archive)) throw new TypeError(`${path} was not read as an image archive`);
  const architecture = dockerArchitectureOf(system.architecture);
  const source: ArchiveSource = { kind: "archive", archive, service: name, architecture };
  const image = chooseImage(source);
  return { source, identity: image === undefined ? archive.sha256 : idOfImage(image) };
}
