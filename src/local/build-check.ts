import { stat } from "node:fs/promises";
import path from "node:path";
import type { Built } from "../manifest/base-images.ts";
import type { Pointer } from "../manifest/parse.ts";
import { dockerfileOf } from "../manifest/references.ts";
import type { Blob } from "../resources/resource.ts";
import { checkDockerfile } from "../stack/services/dockerfile-check.ts";

/** What is known here of a service's build. */
export interface BuildFiles {
  readonly blobs: ReadonlyMap<string, Blob>;
  readonly texts: ReadonlyMap<string, string>;
  /** What the build may see of its context. */
  readonly entries: readonly string[] | undefined;
  /** The command that makes what it is built from. */
  readonly command: readonly string[] | undefined;
}

/** A finding, with its place below the service. */
interface BuildFinding {
  readonly at: Pointer;
  readonly message: string;
  readonly severity?: "error" | "warning";
}

/** What a build on the host would certainly fail at. */
export async function checkBuild(
  { name, source }: Built,
  { blobs, texts, entries = [], command }: BuildFiles,
): Promise<BuildFinding[]> {
  const context = blobs.get(source.context);
  const file = dockerfileOf(source);
  const text = texts.get(file);
  // That it is not there has been said.
  if (context === undefined || text === undefined) return [];
  const ignores = await hasIgnoreFile(context.path, source.dockerfile);
  const hints = [
    ...(ignores ? ["or .dockerignore leaves it out"] : []),
    ...(command === undefined ? [] : [`\`hostkit build ${name}\` may make it`]),
  ];
  return checkDockerfile(text, entries, source).map(
    ({ line, message, isCopy = false, severity, key = "build" }) =>
      line === undefined
        ? {
            at: key === "build" ? ["build"] : ["build", key],
            message,
            ...(severity === undefined ? {} : { severity }),
          }
        : {
            at: ["build"],
            message: `${file}:${line} ${[message, ...(isCopy ? hints : [])].join("; ")}`,
            ...(severity === undefined ? {} : { severity }),
          },
  );
}

async function hasIgnoreFile(folder: string, dockerfile: string): Promise<boolean> {
  for (const name of [`${dockerfile}.dockerignore`, ".dockerignore"])
    if (await stat(path.join(folder, name)).then(Boolean, () => false)) return true;
  return false;
}
