import type { FactSource } from "../fact.ts";
import { dockerGroup, readLines } from "./docker.ts";

/** The one subject. */
export const builderSubject = "docker";

/** What of a host's Docker decides which Dockerfiles it builds. */
export interface BuilderFact {
  /** As the Engine says: `26.1.5+dfsg1`. */
  readonly engine: string;
  /** The client's plugin buildx. */
  readonly hasPlugin: boolean;
}

/** Major and minor version of an Engine. */
export function engineVersionOf(engine: string): readonly [major: number, minor: number] {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(engine) ?? [];
  return [Number(major), Number(minor)];
}

/** The Engine's version and whether the plugin is there; absent where no Engine answers. */
export const builderFacts: FactSource<BuilderFact> = {
  name: "docker-builder",
  group: dockerGroup,
  parse(stdout) {
    const engine = readLines(stdout).find(
      ({ ApiVersion: version }) => version !== undefined,
    )?.Version;
    if (engine === undefined) return new Map();
    const hasPlugin = /^plugin \S+$/m.test(stdout);
    return new Map([[builderSubject, { engine, hasPlugin }]]);
  },
};
