/** What a service runs; the first four are native, the last three are containers. */
export type Source =
  | { readonly kind: "package"; readonly path: string }
  | { readonly kind: "apt"; readonly name: string; readonly version?: string }
  | { readonly kind: "download"; readonly url: string; readonly sha256: string }
  /** A program that is already on the host: `command` says which. */
  | { readonly kind: "exec" }
  | BuildFrom
  /** A registry reference as it is written: `ghcr.io/a/b:1.2`, for which hostkit.lock has the digest, or `ghcr.io/a/b@sha256:…`. */
  | { readonly kind: "image"; readonly reference: string }
  /** A local `docker save` or OCI archive. */
  | ArchiveFrom;

/** An image that is built from a folder with a Dockerfile. */
export interface BuildFrom {
  readonly kind: "build";
  /** Local directory. */
  readonly context: string;
  /** Relative to the context. */
  readonly dockerfile: string;
  readonly args: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Names of secrets that only the build sees. */
  readonly secrets?: readonly string[];
  /** Name of the secret that holds the private key for `RUN --mount=type=ssh`. */
  readonly key?: string;
  /** `here`: built on this machine; else the entry of `hosts`, or the SSH host, that builds it. Absent: the host that runs it. */
  readonly on?: string;
}

/** An image in a file on this machine. */
export interface ArchiveFrom {
  readonly kind: "image-archive";
  readonly path: string;
}

/** A base image of the user's own, by the name that Dockerfiles have of it. */
export interface BaseImage {
  readonly section: "images";
  readonly name: string;
  readonly source: BuildFrom | ArchiveFrom;
}
