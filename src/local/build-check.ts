import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { ServiceBase } from "../manifest/manifest.ts";
import type { Pointer } from "../manifest/parse.ts";
import type { Blob } from "../resources/resource.ts";
import { checkDockerfile } from "../stack/services/dockerfile-check.ts";

/** What a build on the host would certainly fail at, with its place below the service. */
export async function checkBuild(
  { name, source }: ServiceBase,
  blobs: ReadonlyMap<string, Blob>,
  command: readonly string[] | undefined,
): Promise<{ at: Pointer; message: string }[]> {
  if (source.kind !== "build") return [];
  const context = blobs.get(source.context);
  if (context === undefined) return [];
  const file = path.join(context.path, source.dockerfile);
  const text = await readFile(file, "utf8").catch(() => undefined);
  // That it is not there has been said.
  if (text === undefined) return [];
  const ignores = await stat(path.join(context.path, ".dockerignore")).then(Boolean, () => false);
  const hints = [
    ...(ignores ? ["or .dockerignore leaves it out"] : []),
    ...(command === undefined ? [] : [`\`hostkit build ${name}\` may make it`]),
  ];
  return checkDockerfile(text, context.entries ?? [], source).map(({ line, message }) =>
    line === undefined
      ? { at: ["build", "target"], message }
      : {
          at: ["build"],
          message: `${source.context.replace(/\/+$/, "")}/${source.dockerfile}:${line} ${[message, ...hints].join("; ")}`,
        },
  );
}
