import { UnwritableError } from "./written.ts";

/** The name of an image, in its parts. */
export interface ImageReference {
  /** Without tag and digest, the registry in one spelling: what Docker is told. */
  readonly name: string;
  /** `docker.io`, `ghcr.io`, `registry.example.org:5000` */
  readonly registry: string;
  /** In the registry: `library/redis`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

/** Docker's own name of its Hub. */
export const dockerHub = "docker.io";

const hubAliases: ReadonlySet<string> = new Set([dockerHub, "index.docker.io"]);

const domainPart = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const registryPattern = new RegExp(
  String.raw`^(?:${domainPart}(?:\.${domainPart})*|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?$`,
);
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/** Docker's own limit (distribution's reference package). */
const longestName = 255;

/**
 * Reads the name of an image as Docker does.
 * @throws UnwritableError
 */
export function readImageReference(written: string): ImageReference {
  if (/^[a-z]+:\/\//i.test(written))
    throw new UnwritableError(
      `an image is no URL: leave out ${written.slice(0, written.indexOf("//") + 2)}`,
    );
  const [named = "", digest, ...more] = written.split("@");
  if (more.length > 0 || (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)))
    throw new UnwritableError('a digest is "sha256:" and 64 hexadecimal digits, lower case');
  const [, name = "", tag] = /^(.*?)(?::([^:/]*))?$/.exec(named) ?? [];
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag))
    throw new UnwritableError(
      `${tag === "" ? "the tag is empty" : `${tag} is no tag`}: a tag is up to 128 letters, digits, ".", "_" and "-"`,
    );
  if (name.length > longestName)
    throw new UnwritableError(`the name of an image has at most ${longestName} characters`);
  return {
    ...splitName(name),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitName(name: string): Pick<ImageReference, "name" | "registry" | "repository"> {
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  // What has a dot or a port can be no folder of the Hub.
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const rest = hasRegistry ? name.slice(slash + 1) : name;
  const registry = hasRegistry ? canonicalRegistry(first) : dockerHub;
  for (const component of rest.split("/")) {
    if (componentPattern.test(component)) continue;
    throw new UnwritableError(
      /[A-Z]/.test(component)
        ? `the name of an image is lower case: ${rest.toLowerCase()}`
        : `${component === "" ? "an empty part" : component} cannot be a part of an image's name: letters, digits, and single ".", "_" or "-" between them`,
    );
  }
  const isOfHub = registry === dockerHub && !rest.includes("/");
  return {
    name: hasRegistry ? `${registry}/${rest}` : rest,
    registry,
    repository: isOfHub ? `library/${rest}` : rest,
  };
}

/**
 * One spelling for one registry: lower case, and Docker's Hub by one name.
 * @throws UnwritableError
 */
export function canonicalRegistry(written: string): string {
  const port = registryPattern.exec(written);
  if (port === null || written.length > 255)
    throw new UnwritableError(
      `${written} is no registry: it is a host name, with a port where that is not 443`,
    );
  if (port[1] !== undefined && (Number(port[1]) < 1 || Number(port[1]) > 65_535))
    throw new UnwritableError(`${port[1]} is no port`);
  const name = written.toLowerCase();
  return hubAliases.has(name) ? dockerHub : name;
}

/** Where a registry answers. Docker's Hub does so under another name than its own. */
export function addressOfRegistry(registry: string): {
  readonly host: string;
  readonly port: number;
  /** On the host itself, where Docker takes plain HTTP as well. */
  readonly isLoopback: boolean;
} {
  const [, host = registry, port] =
    /^(.*?)(?::(\d+))?$/.exec(registry === dockerHub ? "registry-1.docker.io" : registry) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const isLoopback = isLoopbackName(bare);
  return { host: bare, port: Number(port ?? (isLoopback ? 80 : 443)), isLoopback };
}

/** A name that leads nowhere but to the machine itself; without the brackets of an address. */
export function isLoopbackName(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** `name:tag@sha256:0123456789ab…`, for people. */
export function shortenImage(
  { name, tag }: Pick<ImageReference, "name" | "tag">,
  digest: string,
): string {
  return `${name}${tag === undefined ? "" : `:${tag}`}@${shortenDigest(digest)}`;
}

/** `sha256:0123456789ab…` */
export function shortenDigest(digest: string): string {
  return digest.length > 20 ? `${digest.slice(0, 19)}…` : digest;
}
