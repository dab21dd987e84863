import { engineVersionOf } from "../../facts/containers/builder.ts";
import type { BuilderFact } from "../../facts/containers/builder.ts";
import type { Refusal } from "../resource.ts";
import type { BuildWish, DockerfileFeature, Syntax } from "./build-source.ts";

/**
 * N of the `docker/dockerfile:1.N` inside an Engine: that of its BuildKit. 20.10 and 26.1 were tried on lab hosts, the others are of
 * the release notes.
 */
const frontends: readonly (readonly [major: number, minor: number, version: number])[] = [
  [29, 0, 20],
  [28, 5, 19],
  [28, 4, 18],
  [28, 3, 17],
  [28, 2, 16],
  [28, 1, 15],
  [28, 0, 14],
  [27, 4, 11],
  [27, 3, 10],
  [27, 1, 9],
  [27, 0, 8],
  [26, 0, 7],
  [25, 0, 6],
  [24, 0, 5],
  [23, 0, 4],
  [20, 10, 2],
];

/** What an Engine's builder understands; undefined: it has no BuildKit. */
export function frontendOf(engine: string): number | undefined {
  const [major, minor] = engineVersionOf(engine);
  return frontends.find(
    ([atLeast, minorAtLeast]) => major > atLeast || (major === atLeast && minor >= minorAtLeast),
  )?.[2];
}

/** The client of 23.0 and later leaves BuildKit to a plugin. */
export function needsPlugin(engine: string): boolean {
  return engineVersionOf(engine)[0] >= 23;
}

/** Whether the `# syntax=` line stays: the host then fetches that image. Otherwise the builder does it with what is in it. */
export function keepsSyntax(wish: BuildWish, engine: string): boolean {
  if (wish.syntax?.kind !== "docker") return true;
  const inside = frontendOf(engine) ?? 0;
  return wish.features.some(({ since }) => since > inside);
}

function hasFeature({ version = Infinity, isLabs }: Extract<Syntax, { kind: "docker" }>) {
  return ({ since, labs }: DockerfileFeature): boolean =>
    version >= (isLabs ? (labs ?? since) : since);
}

/** What no host could build, whatever its builder, and why. */
export function findImpossible({
  features,
  syntax,
}: Omit<BuildWish, "file">): (DockerfileFeature & { readonly reason: string })[] {
  if (syntax?.kind === "own") return [];
  return features.flatMap((feature) => {
    const reason = reasonAgainst(feature);
    return reason === undefined ? [] : [{ ...feature, reason }];
  });
}

function reasonAgainst({ what }: DockerfileFeature): string | undefined {
  return what === "RUN --security"
    ? "a build has no more rights than a container, and no Docker builds it otherwise"
    : undefined;
}

/** Why this host's builder cannot do what a Dockerfile asks for; undefined: it can. */
export function refuseBuild(wish: BuildWish, builder: BuilderFact): Refusal | undefined {
  const { file, features, syntax } = wish;
  const { engine, hasPlugin } = builder;
  const inside = frontendOf(engine);
  if (inside === undefined)
    return {
      code: "image_unfit",
      what: `Docker ${engine} on this host cannot build ${file}`,
      why: "it has no BuildKit, which came with 20.10; nothing was changed",
      next: "update the host's Docker",
    };
  if (needsPlugin(engine) && !hasPlugin)
    return {
      code: "image_unfit",
      what: `Docker ${engine} on this host cannot build ${file}: its plugin buildx is not there`,
      why: "since 23.0 Docker's client builds by this plugin alone, and this distribution has no package of it; nothing was changed",
      next: "apt-get install docker-buildx-plugin on the host, from where its Docker came",
    };
  if (syntax?.kind === "own") return undefined;
  const isEnough = syntax === undefined ? () => false : hasFeature(syntax);
  const missing = features.filter((feature) => feature.since > inside && !isEnough(feature));
  const [first] = missing;
  if (first === undefined) return undefined;
  return {
    code: "image_unfit",
    what: `the builder on this host cannot do ${first.what} (${file}:${first.line})`,
    why: `it is in Docker ${engine} and understands docker/dockerfile:1.${inside}; ${first.what} came with 1.${first.since}; nothing was changed`,
    next: adviseOn(first, syntax),
    ...(missing.length < 2
      ? {}
      : {
          details: missing.map(
            ({ line, what, since }) => `${file}:${line} ${what}: since 1.${since}`,
          ),
        }),
  };
}

function adviseOn({ since, instead }: DockerfileFeature, syntax: Syntax | undefined): string {
  const line = `# syntax=docker/dockerfile:1.${since}`;
  const fetched =
    syntax === undefined
      ? `write \`${line}\` as the Dockerfile's first line, and the host fetches that builder from Docker's registry`
      : `ask for that version in the Dockerfile's first line: \`${line}\``;
  return instead === undefined ? fetched : `${instead}; or ${fetched}`;
}
