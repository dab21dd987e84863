import type { BuilderFact } from "../../facts/containers/builder.ts";
import type { Blob } from "../blob.ts";

/** An image that is built on the host. */
export interface BuildSource {
  readonly kind: "build";
  /** What the Dockerfile takes of the manifest's folder. */
  readonly context: Blob;
  /** Name of the Dockerfile, as the builder is to call it. */
  readonly name: string;
  /** The Dockerfile, and the same without its `# syntax=` line. */
  readonly text: string;
  readonly plainText: string;
  readonly wish: BuildWish;
  readonly args: Readonly<Record<string, string>>;
  readonly target?: string;
  /** What only the build sees, by name. */
  readonly secrets: readonly BuildSecret[];
  /** The private key that `RUN --mount=type=ssh` logs in with. */
  readonly key?: BuildSecret;
  /** What the distribution's own packages bring, for a host that has no Docker yet. */
  readonly usual: BuilderFact;
}

export interface BuildSecret {
  readonly name: string;
  readonly value: string | Uint8Array;
}

/** Something in a Dockerfile that not every builder understands. */
export interface DockerfileFeature {
  /** Of the Dockerfile, from 1. */
  readonly line: number;
  /** As a person would name it: `COPY --parents`. */
  readonly what: string;
  /** N of the first `docker/dockerfile:1.N` that has it. */
  readonly since: number;
  /** The same of `1.N-labs`, where that was earlier. */
  readonly labs?: number;
  readonly instead?: string;
}

/** What the `# syntax=` line of a Dockerfile asks for. */
export type Syntax =
  /** Docker's own, of which every builder has a version inside: `version` is N of `1.N`, absent for the newest. */
  | {
      readonly kind: "docker";
      readonly image: string;
      readonly version?: number;
      readonly isLabs: boolean;
    }
  /** Somebody's own: only that image knows what the Dockerfile means. */
  | { readonly kind: "own"; readonly image: string };

/** What decides about a build besides the host. */
export interface BuildWish {
  /** As the manifest names it: `./api/Dockerfile`. */
  readonly file: string;
  readonly features: readonly DockerfileFeature[];
  readonly syntax?: Syntax;
}
