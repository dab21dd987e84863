import { layerFacts, layersSubject } from "../../facts/containers/layers.ts";
import { aptSimulationFacts } from "../../facts/packages/apt-simulation.ts";
import type { Facts } from "../../facts/fact.ts";
import type { AnyService, Manifest } from "../../manifest/schema.ts";
import type { Source } from "../../manifest/source.ts";
import { servicesOf } from "../../manifest/services.ts";
import { isImage, shownAs } from "../../resources/containers/image.ts";
import { measureDelivery, placeOf } from "../../resources/containers/packed-image.ts";
import type { Content, Resource, Step } from "../../resources/resource.ts";
import { runningIdOf } from "../../stack/services/start-order.ts";
import { wordsOf } from "../package-obstacles.ts";
import type { Plan } from "../types.ts";

/** A service that the plan brings. */
export interface RunningService {
  readonly name: string;
  readonly runtime: AnyService["runtime"];
  /** "./api", "dist/scraper.deb" */
  readonly from: string;
  /** URLs and ports; empty where nothing from outside reaches it. */
  readonly at: readonly string[];
}

/** Packages of the distribution that the plan installs. */
export interface Installs {
  /** What was asked for; what these need comes with them. */
  readonly packages: readonly string[];
  /** With all that they need; absent: apt has no lists yet, or refuses. */
  readonly count?: number;
  /** KiB, where apt says it. */
  readonly archives?: number;
  readonly installed?: number;
}

/** The services that are not there yet. */
export function describeRunning(
  { stack, changes }: Plan,
  manifest: Pick<Manifest, "services" | "web" | "proxy">,
  resources: readonly Resource[],
): RunningService[] {
  const created = new Set(changes.flatMap(({ id, action }) => (action === "create" ? [id] : [])));
  return servicesOf(manifest)
    .filter((service) => created.has(runningIdOf(stack, service)))
    .map((service) => ({
      name: service.name,
      runtime: service.runtime,
      from: describePulled(resources, `${stack}-${service.name}`) ?? describeSource(service.source),
      at: listAddresses(service, manifest.proxy),
    }));
}

/** With the digest that a tag means. */
function describePulled(resources: readonly Resource[], name: string): string | undefined {
  const image = resources.filter(isImage).find((one) => one.name === name);
  const shown = image === undefined ? undefined : shownAs(image);
  return shown === undefined ? undefined : `image ${shown}`;
}

function describeSource(source: Source): string {
  switch (source.kind) {
    case "package":
    case "image-archive":
      return source.path;
    case "apt":
      return `package ${source.name}${source.version === undefined ? "" : ` ${source.version}`}`;
    case "download":
      return source.url;
    case "exec":
      return "on the host already";
    case "build":
      return source.context;
    case "image":
      return `image ${source.reference.replace(/@sha256:(.{12}).*$/, "@$1")}`;
  }
}

/** Where a service answers: routes of sites, and ports that it publishes. */
export function listAddresses(service: AnyService, proxy: Manifest["proxy"]): string[] {
  const routes = (proxy?.sites ?? []).flatMap(({ name, routes: all }) =>
    all
      .filter(({ to }) => to === service.name)
      .map(({ path }) => `https://${name}${path === "/*" ? "" : path}`),
  );
  return [
    ...routes,
    ...service.ports.map(({ outside, protocol }) => `port ${outside}/${protocol}`),
  ];
}

/** Packages that are installed, as far as apt can tell before its lists are read anew; undefined for none. */
export function describeInstalls(plan: Plan, closer: Facts): Installs | undefined {
  const words = wordsOf(plan);
  if (words === "") return undefined;
  const { added, archives, installed } = closer.get(aptSimulationFacts, words) ?? {};
  return {
    packages: words.split(" "),
    ...(added === undefined ? {} : { count: added }),
    ...(archives === undefined ? {} : { archives }),
    ...(installed === undefined ? {} : { installed }),
  };
}

/** Bytes of files, folders and layers of images that go to the host. */
export function measureUploads({ changes }: Pick<Plan, "changes">, closer: Facts): number {
  const known = closer.get(layerFacts, layersSubject) ?? [];
  return changes.reduce(
    (sum, { steps, delivers }) =>
      steps.reduce((total, step) => total + sizeOf(contentOf(step)), sum) +
      (delivers === undefined ? 0 : measureDelivery(delivers, known)),
    0,
  );
}

/** Services whose image is built on the controller or on a host for others, with where. */
export function listBuilds({ changes }: Pick<Plan, "changes">): string[] {
  return changes.flatMap(({ delivers }) =>
    delivers?.origin.kind === "elsewhere"
      ? [`${delivers.service} on ${placeOf(delivers.origin.on)}`]
      : [],
  );
}

/** Files and folders of the controller, not the texts that hostkit writes. */
function sizeOf(content: Content | undefined): number {
  return content !== undefined && "blob" in content ? content.blob.size : 0;
}

function contentOf(step: Step): Content | undefined {
  return step.type === "script" ? step.stdin : step.content;
}
