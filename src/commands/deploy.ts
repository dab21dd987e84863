import { stat } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { withGivenSource } from "../manifest/given-source.ts";
import { lockKeyOf } from "../manifest/lock.ts";
import { assertServices, findService } from "../manifest/services.ts";
import type { Source } from "../manifest/source.ts";
import { lookUpImages } from "../session/ask-registries.ts";
import type { Context } from "../session/context.ts";
import { openProject } from "../session/project.ts";
import type { Project } from "../session/project.ts";
import { readImageReference } from "../writers/image-reference.ts";
import { reasonToRefuse } from "../writers/written.ts";
import { buildProducts } from "./build.ts";
import type { Verb } from "./line/verb.ts";
import { provision } from "./provision.ts";

interface DeployOptions {
  readonly yes?: boolean;
  readonly image?: string;
  readonly archive?: string;
  readonly build?: boolean;
  readonly details?: boolean;
}

/** A provision of some services and what they need; on request with another image than the manifest says. */
export const runDeploy: Verb<DeployOptions> = async (context, options, names) => {
  if ([options.image, options.archive, options.build].filter((one) => one !== undefined).length > 1)
    throw new HostkitError("usage", {
      what: "only one of --image, --archive and --build says what is deployed",
    });
  const project = await openProject(context);
  assertServices(project.manifest, names);
  const { yes = false, details = false } = options;
  const [source, given] = await readGiven(context, options);
  if (source === undefined) {
    if (options.build === true)
      await buildProducts(context, project.loaded, project.manifest, names);
    return provision(context, project, { only: names, yes, details });
  }
  const service = assertOneContainer(project, names, given);
  const pinned = await pin(context, project, service, source);
  const manifest = withGivenSource(project.manifest, service, pinned, given);
  return provision(context, { ...project, manifest }, { only: names, yes, details });
};

/** What the command line says instead of the manifest. */
async function readGiven(
  context: Context,
  { image, archive }: DeployOptions,
): Promise<[Source | undefined, string]> {
  if (image !== undefined) {
    const reason = reasonToRefuse(() => readImageReference(image));
    if (reason !== undefined)
      throw new HostkitError("usage", {
        what: `${image} is no name of an image: ${reason}`,
        next: "hostkit deploy SERVICE --image NAME:TAG   or: --image NAME@sha256:…",
      });
    return [{ kind: "image", reference: image }, `--image ${image}`];
  }
  if (archive === undefined) return [undefined, ""];
  const file = path.resolve(context.terminal.workingDirectory, archive);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true)
    throw new HostkitError("file_missing", {
      what: `${archive} is ${found === undefined ? "not there" : "not a file"}`,
      next: "docker save NAME:TAG -o FILE   makes one",
    });
  return [{ kind: "image-archive", path: file }, `--archive ${archive}`];
}

/** A tag is looked up now, whatever the lock says: what is deployed is one image, also when the tag is another one later. */
async function pin(
  context: Context,
  project: Project,
  service: string,
  source: Source,
): Promise<Source> {
  const key = source.kind === "image" ? lockKeyOf(source.reference) : undefined;
  if (key === undefined) return source;
  const wanted = [{ key, services: [service] }];
  const found = await lookUpImages(context, project, wanted, new Map(), false);
  return { kind: "image", reference: `${key}@${found.get(key)?.digest ?? ""}` };
}

/** @throws HostkitError usage */
function assertOneContainer(
  { manifest }: Project,
  names: readonly string[],
  given: string,
): string {
  const [name = "", ...others] = names;
  const [option = ""] = given.split(" ");
  if (others.length > 0)
    throw new HostkitError("usage", {
      what: `${option} is for one service, and ${names.length} are named`,
      next: `hostkit deploy ${name} ${given}`,
    });
  if (findService(manifest, name)?.runtime === "container") return name;
  throw new HostkitError("usage", {
    what: `${name} does not run in a container, and ${option} says which image it is made from`,
    next: `hostkit deploy ${name}   with the package that the manifest names`,
  });
}
