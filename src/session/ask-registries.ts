import { HostkitError } from "../errors.ts";
import { readAuthorities } from "../local/registry/authorities.ts";
import { openFromHere } from "../local/registry/exchange.ts";
import type { OpenTcp } from "../local/registry/exchange.ts";
import { lookUpImage } from "../local/registry/look-up.ts";
import type { RegistryAccess } from "../local/registry/look-up.ts";
import { invalidManifest } from "../local/manifest.ts";
import { readSecrets } from "../local/secrets/read-secrets.ts";
import type { Lock, LockedImage, TaggedImage } from "../manifest/lock.ts";
import type { Registry } from "../manifest/registry.ts";
import { readImageReference } from "../writers/image-reference.ts";
import type { Context } from "./context.ts";
import { hideLogins } from "./hide-logins.ts";
import type { Project } from "./project.ts";

/** Images that are asked for at once. */
const mostAtOnce = 6;

/** Who opens the connections to registries, in words for messages. */
interface Asker {
  readonly open: OpenTcp;
  readonly from: string;
}

/** From this machine, whatever the hosts can reach. */
const askFromHere: Asker = { open: openFromHere, from: "from this machine" };

/** The first host is asked to open the connections: what it reaches is what counts. */
export async function lookUpImages(
  context: Context,
  project: Project,
  wanted: readonly TaggedImage[],
  lock: Lock,
  here: boolean,
): Promise<ReadonlyMap<string, LockedImage>> {
  if (wanted.length === 0) return new Map();
  if (here) return askRegistries(context, project, wanted, lock, askFromHere);
  const [host] = project.hosts;
  if (host === undefined) throw new TypeError("a project without hosts");
  const connection = await host.connect();
  try {
    return await askRegistries(context, project, wanted, lock, {
      open: (target) => connection.openTcp(target),
      from: `from the host ${host.name}`,
    });
  } finally {
    await connection.close();
  }
}

/**
 * Asks which image each tag means now. All that fails is told at once.
 * @throws HostkitError manifest_invalid for secrets and files that are missing; that of the first image that could not be looked up
 */
async function askRegistries(
  context: Context,
  project: Project,
  images: readonly TaggedImage[],
  lock: Lock,
  asker: Asker,
): Promise<Map<string, LockedImage>> {
  const accessTo = await readAccess(context, project, images, asker);
  const found = new Map<string, LockedImage>();
  const failures: HostkitError[] = [];
  const waiting = [...images];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { key } = next;
      const image = readImageReference(key);
      try {
        found.set(key, await lookUpImage(image, accessTo(image.registry), lock.get(key)));
      } catch (error) {
        if (!(error instanceof HostkitError)) throw error;
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, work));
  if (failures.length > 0) throw joinFailures(failures);
  return found;
}

/** Logins and authorities of the registries that are asked, and of no others. */
async function readAccess(
  context: Context,
  { loaded, manifest }: Project,
  images: readonly TaggedImage[],
  asker: Asker,
): Promise<(registry: string) => RegistryAccess> {
  const { environment } = context.terminal;
  const asked = new Set(images.map(({ key }) => readImageReference(key).registry));
  const registries = (manifest.registries ?? []).filter(({ name }) => asked.has(name));
  const passwords = registries.flatMap(({ login }) => login?.password ?? []);
  const [{ secrets, problems: missing }, files] = await Promise.all([
    readSecrets(loaded, manifest, environment, new Set(passwords)),
    readAuthorities(loaded, registries, { home: environment["HOME"], now: Date.now() }),
  ]);
  hideLogins(context.redactor, registries, secrets);
  const problems = [...missing, ...files.problems];
  if (problems.length > 0) throw invalidManifest(loaded, problems);
  const loginOf = ({ login }: Registry): Pick<RegistryAccess, "login"> => {
    const password = login === undefined ? undefined : secrets.get(login.password);
    return login === undefined || password === undefined
      ? {}
      : { login: { user: login.user, password } };
  };
  const access = new Map(
    registries.map((registry) => {
      const ca = registry.ca === undefined ? undefined : files.texts.get(registry.ca);
      return [
        registry.name,
        { ...asker, ...loginOf(registry), ...(ca === undefined ? {} : { ca }) },
      ] as const;
    }),
  );
  return (registry) => access.get(registry) ?? asker;
}

function isSame(left: HostkitError, right: HostkitError): boolean {
  return left.code === right.code && JSON.stringify(left.parts) === JSON.stringify(right.parts);
}

/** The first one, with the others as details; what several say alike is said once. */
function joinFailures(failures: readonly HostkitError[]): HostkitError {
  const sorted = failures.toSorted((left, right) =>
    (left.parts.where ?? "").localeCompare(right.parts.where ?? "", "en"),
  );
  const [first, ...others] = sorted.filter(
    (one, index) => sorted.findIndex((other) => isSame(one, other)) === index,
  );
  if (first === undefined) throw new TypeError("no failures to join");
  if (others.length === 0) return first;
  return new HostkitError(first.code, {
    ...first.parts,
    details: [
      ...(first.parts.details ?? []),
      ...others.flatMap(({ code, parts }) => [
        `also: ${parts.what} [${code}]`,
        ...(parts.where === undefined ? [] : [`  where: ${parts.where}`]),
        ...(parts.why === undefined ? [] : [`  why: ${parts.why}`]),
        ...(parts.next === undefined ? [] : [`  next: ${parts.next}`]),
      ]),
    ],
  });
}
