import { buildsOf } from "../../manifest/base-images.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { findCycles } from "../../manifest/rules/rule.ts";
import { placeOf } from "../../resources/containers/packed-image.ts";
import { basesOf } from "./build-origin.ts";

type Build = ReturnType<typeof buildsOf>[number];

/** A finding, about a base image or what stands on one. */
export interface BaseProblem {
  readonly section: Build["section"];
  readonly name: string;
  readonly message: string;
  readonly severity: "error" | "warning";
}

/** Base images are on the host that runs the image, and another builder has nothing of them. */
function findElsewhere(builds: readonly Build[], needs: (build: Build) => string[]): BaseProblem[] {
  return builds.flatMap((build): BaseProblem[] => {
    const { section, name, source } = build;
    if (source.on === undefined) return [];
    const severity = "error";
    if (section === "images")
      return [
        { section, name, severity, message: "a base image is built on the host: leave out `on`" },
      ];
    const [base] = needs(build);
    if (base === undefined) return [];
    const message = `it is built on ${placeOf(source.on)}, and ${base} is built on the host: leave out \`on\`, or build ${base} into an archive`;
    return [{ section, name, severity, message }];
  });
}

/** Base images that stand on themselves, and those that nothing stands on. */
export function findBaseProblems(
  manifest: Manifest,
  texts: ReadonlyMap<string, string>,
): BaseProblem[] {
  const { images = [] } = manifest;
  const needs = (built: Build): string[] =>
    basesOf({ manifest, texts }, built).map(({ name }) => name);
  const builds = buildsOf(manifest);
  const edges = new Map(
    builds.filter(({ section }) => section === "images").map((one) => [one.name, needs(one)]),
  );
  const used = new Set(builds.flatMap(needs));
  return [
    ...findElsewhere(builds, needs),
    ...findCycles(edges).map((cycle) => ({
      section: "images" as const,
      name: cycle[0] ?? "",
      message: `each stands on the other: ${cycle.join(" → ")}`,
      severity: "error" as const,
    })),
    ...images.flatMap(({ name }) =>
      used.has(name)
        ? []
        : [
            {
              section: "images" as const,
              name,
              message: `no Dockerfile of the manifest says FROM ${name}: it is not built`,
              severity: "warning" as const,
            },
          ],
    ),
  ];
}
