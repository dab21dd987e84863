import { hashText } from "../../facts/files/hash.ts";
import type {
  AnyService,
  HealthCheck,
  Hook,
  Manifest,
  PublishedPort,
  Resources,
  Volume,
} from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { lockKeyOf } from "../../manifest/lock.ts";
import type { ImageSource } from "../../resources/containers/image.ts";
import { defaultDrainSeconds } from "../../resources/containers/slots.ts";
import { dockerArchitectureOf } from "../../resources/containers/platforms.ts";
import type { Blob } from "../../resources/resource.ts";
import { readImageReference, shortenImage } from "../../writers/image-reference.ts";
import { describeDatabase } from "../database/database-access.ts";
import type { WorkloadDatabase } from "../database/database-access.ts";
import { requireSecret } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { userOf } from "../names.ts";
import { configFolderFor } from "./registries.ts";
import { describeArchive } from "./archive-origin.ts";
import { nameBase } from "./base-images.ts";
import { describeBuild } from "./build-origin.ts";
import { readEnvironment } from "./env-text.ts";
import type { OpenValue, SecretFile } from "./variables.ts";

/** An image; its reference says what is in it, so that the same content has the same name on every host. */
export interface ImageOrigin {
  readonly as: "image";
  readonly reference: string;
  readonly source: ImageSource;
}

/** A program on the host itself. */
export interface ProgramOrigin {
  readonly as: "program";
  readonly source:
    | { readonly kind: "package"; readonly deb: Blob }
    | { readonly kind: "apt"; readonly name: string; readonly version?: string }
    | { readonly kind: "download"; readonly url: string; readonly sha256: string }
    | { readonly kind: "exec" };
}

interface WorkloadBase {
  readonly stack: string;
  readonly name: string;
  /** System user it runs as. */
  readonly user: string;
  /** The manifest chose the user, who may have a life of its own. */
  readonly hasOwnUser: boolean;
  readonly runs: ProgramOrigin | ImageOrigin;
  /** The words on the command line that say so, instead of the manifest. */
  readonly given?: string;
  /** Absent: what the package or image itself starts. */
  readonly command?: readonly string[];
  /** Variables that hostkit tells it: the way to its database, its port, its secrets' files. */
  readonly told: Readonly<Record<string, OpenValue>>;
  /** Variables of the manifest and its env file; they win, and their values are secret. */
  readonly environment: Readonly<Record<string, string>>;
  readonly secretFiles: readonly SecretFile[];
  readonly database?: WorkloadDatabase;
  readonly mounts: readonly Volume[];
  /** Published outside. */
  readonly ports: readonly PublishedPort[];
  readonly resources: Resources;
  /** The services that start before it. */
  readonly after: readonly Pick<AnyService, "name" | "runtime">[];
  /** How long it may take until it is well. */
  readonly graceSeconds: number;
  /** Stopped before its successor starts: it has data, or what only one can have. */
  readonly isExclusive: boolean;
  /** Two of it must not even have its volumes at once, for as long as a hook runs. */
  readonly isStoppedForHooks: boolean;
  /** How long a new release is watched once it serves, in seconds; 0: not. */
  readonly watchSeconds: number;
  /** How long the old release has for the requests and streams that it still has, in seconds. */
  readonly drainSeconds: number;
  /** What runs once in a new release's image. */
  readonly hooks: Readonly<Partial<Record<"pre_deploy" | "post_deploy", Hook>>>;
}

/** Asked for nothing but to live, or to say itself that it does. */
export interface ServiceWorkload extends WorkloadBase {
  readonly kind: "service";
  readonly watchdogSeconds?: number;
  readonly health?: HealthCheck;
}

/** Answers HTTP on its port; how to see that it is well is `health`. */
export interface WebWorkload extends WorkloadBase {
  readonly kind: "web";
  readonly port: number;
  readonly health: HealthCheck;
  readonly replicas: number;
}

/**
 * The neutral half of a service: what is asked of any engine, in no engine's words. systemd (native-service.ts) and Docker
 * (container.ts, slot.ts, launcher.ts) are renderers of it.
 */
export type Workload = ServiceWorkload | WebWorkload;

/** Long enough for what is bad from its first requests on; a run takes that much longer. */
const defaultWatchSeconds = 15;

type Inputs = Pick<StackInputs, "manifest" | "system" | "blobs" | "images" | "texts" | "secrets">;

/**
 * What a service or web service asks for.
 * @throws HostkitError where nobody brought a secret's value
 */
export function describeWorkload(inputs: Inputs, service: AnyService): Workload {
  const base = describeCommon(inputs, service);
  if (service.section === "web") {
    const { port, health, replicas } = service;
    const told = { ...base.told, PORT: [String(port)] };
    return { ...base, kind: "web", told, port, health, replicas };
  }
  const { watchdogSeconds, health } = service;
  return {
    ...base,
    kind: "service",
    ...(health === undefined ? {} : { health }),
    ...(watchdogSeconds === undefined ? {} : { watchdogSeconds }),
  };
}

function describeCommon(inputs: Inputs, service: AnyService): WorkloadBase {
  const { manifest } = inputs;
  const { command, volumes: mounts, ports, resources } = service;
  const secrets = service.secrets.map((name) => giveSecret(inputs, name));
  const access = describeDatabase(inputs, service);
  const isExclusive = service.stateful || service.section !== "web" || ports.length > 0;
  const { preDeploy, postDeploy } = service;
  const replicas = service.section === "web" ? service.replicas : 1;
  return {
    stack: manifest.stack,
    name: service.name,
    user: userOf(manifest, service),
    hasOwnUser: service.user !== undefined,
    runs: describeOrigin(inputs, service),
    ...(service.given === undefined ? {} : { given: service.given }),
    ...(command === undefined ? {} : { command }),
    told: {
      ...access?.told,
      ...Object.fromEntries(
        secrets.map((file) => [`${file.name}_FILE`, [{ place: "file", file }]]),
      ),
    },
    environment: readEnvironment(inputs.texts, service),
    secretFiles: [...secrets, ...(access?.files ?? [])],
    ...(access === undefined ? {} : { database: access.database }),
    ...{ mounts, ports, resources },
    after: findEarlier(manifest, service),
    graceSeconds: service.health?.graceSeconds ?? 60,
    isExclusive,
    // Replicas of it have the same volumes at once anyway.
    isStoppedForHooks:
      (service.stateful && replicas === 1) ||
      (isExclusive && replicas === 1 && mounts.some((one) => !one.readOnly)),
    watchSeconds: service.watchSeconds ?? defaultWatchSeconds,
    drainSeconds: service.section === "web" ? (service.drainSeconds ?? defaultDrainSeconds) : 0,
    hooks: {
      ...(preDeploy === undefined ? {} : { pre_deploy: preDeploy }),
      ...(postDeploy === undefined ? {} : { post_deploy: postDeploy }),
    },
  };
}

function giveSecret({ secrets }: Inputs, name: string): SecretFile {
  return { kind: "given", name, value: requireSecret(secrets, name) };
}

function findEarlier(manifest: Manifest, service: AnyService): WorkloadBase["after"] {
  return servicesOf(manifest)
    .filter(({ name }) => service.after.includes(name))
    .map(({ name, runtime }) => ({ name, runtime }));
}

function describeOrigin(inputs: Inputs, service: AnyService): WorkloadBase["runs"] {
  const { name, source } = service;
  const { manifest, blobs, system } = inputs;
  // Our tags name the content: the same context and arguments give the same tag, on every host.
  const tag = (text: string): string =>
    `hostkit/${manifest.stack}-${name}:${hashText(text).slice(0, 16)}`;
  switch (source.kind) {
    case "build": {
      const built = { section: service.section, name, source };
      const build = describeBuild(inputs, built, (image) => nameBase(inputs, image));
      const architecture = dockerArchitectureOf(system.architecture);
      return {
        as: "image",
        reference: tag(build.identity),
        source:
          source.on === undefined
            ? build.source
            : {
                kind: "elsewhere",
                on: source.on,
                build: build.source,
                service: name,
                architecture,
              },
      };
    }
    case "image-archive": {
      const archive = describeArchive(inputs, name, source.path);
      return { as: "image", reference: tag(archive.identity), source: archive.source };
    }
    case "image":
      return describePulled(inputs, name, source.reference);
    case "package":
      return {
        as: "program",
        source: { kind: "package", deb: requireBlob(blobs, source.path) },
      };
    default:
      return { as: "program", source };
  }
}

/** Docker is told the digest alone: a tag that moves to the same image changes nothing. */
function describePulled(
  { manifest, system, images }: Inputs,
  service: string,
  written: string,
): ImageOrigin {
  const image = readImageReference(written);
  const { name, registry, tag } = image;
  const config = configFolderFor(manifest, registry);
  const key = lockKeyOf(written);
  const locked = key === undefined ? undefined : images?.get(key);
  if (key !== undefined && locked === undefined) throw new TypeError(`no digest of ${key}`);
  const digest = locked?.digest ?? image.digest ?? "";
  return {
    as: "image",
    reference: `${name}${key === undefined && tag !== undefined ? `:${tag}` : ""}@${digest}`,
    source: {
      kind: "pull",
      service,
      registry,
      shown: shortenImage(image, digest),
      architecture: dockerArchitectureOf(system.architecture),
      ...(config === undefined ? {} : { config }),
      ...(locked === undefined ? {} : { platforms: locked.platforms }),
    },
  };
}

function requireBlob(blobs: ReadonlyMap<string, Blob>, path: string): Blob {
  const blob = blobs.get(path);
  if (blob === undefined) throw new TypeError(`no blob for ${path}`);
  return blob;
}
