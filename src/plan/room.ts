import { aptSimulationFacts } from "../facts/packages/apt-simulation.ts";
import { layerFacts, layersSubject } from "../facts/containers/layers.ts";
import { diskFacts } from "../facts/files/disk.ts";
import type { Facts } from "../facts/fact.ts";
import { HostkitError } from "../errors.ts";
import { measureDelivery } from "../resources/containers/packed-image.ts";
import type { Content } from "../resources/resource.ts";
import { wordsOf } from "./package-obstacles.ts";
import type { Plan } from "./types.ts";

const mebibyte = 1024;
/** KiB that must be free under /var for anything, and for what packages keep there (lists, dpkg, the first databases and images). */
const reserveKib = 128 * mebibyte;
const packagesReserveKib = 384 * mebibyte;
/** Files that must still fit under /var (inodes). */
const reserveFiles = 2000;
/** Files a stack's packages bring, with room (measured: docker.io, PostgreSQL, Caddy: 9,000). */
const packageFiles = 15_000;

/** What packages take, KiB, where apt does not say it yet (measured on Debian 13, with what they depend on). */
const sizes: readonly (readonly [name: RegExp, installed: number, archives: number])[] = [
  [/^docker\.io/, 265 * mebibyte, 68 * mebibyte],
  [/^postgresql-\d/, 350 * mebibyte, 80 * mebibyte],
  [/^(?:aide|debsums|unattended-upgrades)/, 30 * mebibyte, 6 * mebibyte],
  [/./, 60 * mebibyte, 14 * mebibyte],
];

/** Where things of a run go; each may be a file system of its own. */
const places = {
  packages: "/usr",
  archives: "/var/cache/apt/archives",
  configuration: "/etc",
  data: "/var",
  state: "/var/lib/hostkit",
  images: "/var/lib/docker",
  databases: "/var/lib/postgresql",
} as const;

/** The folders that are asked about. */
export const diskFolders: readonly string[] = Object.values(places);

/** What a plan needs, by place. */
function listNeeds(plan: Plan, facts: Facts): Map<string, { kib: number; files: number }> {
  const needs = new Map<string, { kib: number; files: number }>();
  const add = (place: string, kib: number, files = 0): void => {
    const known = needs.get(place) ?? { kib: 0, files: 0 };
    needs.set(place, { kib: known.kib + kib, files: known.files + files });
  };
  const uploads = plan.changes
    .flatMap((change) => change.steps)
    .reduce((sum, step) => sum + sizeOf(step.type === "script" ? step.stdin : step.content), 0);
  // An upload stands in the bundle, is unpacked or loaded, and stands in its place: three times.
  add(places.state, Math.ceil((uploads * 3) / 1024));
  // A layer stands there until it is loaded; Docker reads it into a folder of its own and unpacks it.
  const known = facts.get(layerFacts, layersSubject) ?? [];
  const layers = plan.changes.reduce(
    (sum, { delivers }) => sum + (delivers === undefined ? 0 : measureDelivery(delivers, known)),
    0,
  );
  add(places.state, Math.ceil(layers / 1024));
  add(places.images, Math.ceil((2 * layers) / 1024));
  add(places.configuration, mebibyte, 100);
  const words = wordsOf(plan);
  if (words === "") {
    add(places.data, reserveKib, reserveFiles);
    return needs;
  }
  const simulation = facts.get(aptSimulationFacts, words);
  const guess = words.split(" ").map((word) => sizes.find(([name]) => name.test(word)));
  const sum = (column: 1 | 2): number =>
    guess.reduce((total, size) => total + (size?.[column] ?? 0), 0);
  // dpkg unpacks beside what is there, and ldconfig, Python and the like add their own.
  add(places.packages, Math.ceil((simulation?.installed ?? sum(1)) * 1.1), packageFiles);
  add(places.archives, simulation?.archives ?? sum(2));
  add(places.data, packagesReserveKib, reserveFiles);
  return needs;
}

/** One error for each file system that has too little room for what would go there. */
export function checkDisk(plan: Plan, facts: Facts): HostkitError[] {
  const byMount = new Map<string, { place: string; kib: number; files: number }>();
  for (const [place, need] of listNeeds(plan, facts)) {
    const mount = facts.get(diskFacts, place)?.mount;
    if (mount === undefined) continue;
    const known = byMount.get(mount);
    if (known === undefined) byMount.set(mount, { place, ...need });
    else {
      // Said of the place that needs most.
      byMount.set(mount, {
        place: need.kib > known.kib ? place : known.place,
        kib: known.kib + need.kib,
        files: known.files + need.files,
      });
    }
  }
  return [...byMount].flatMap(([mount, { place, kib, files }]) => {
    const disk = facts.get(diskFacts, place);
    if (disk === undefined) return [];
    if (disk.free < kib)
      return [
        explain(
          plan,
          `${formatKib(disk.free)} are free under ${mount === "/" ? place : mount}, about ${formatKib(kib)} are needed`,
        ),
      ];
    if (disk.files !== undefined && disk.files < files)
      return [
        explain(
          plan,
          `${disk.files} files can still be made under ${mount === "/" ? place : mount} (inodes), about ${files} are needed`,
        ),
      ];
    return [];
  });
}

function explain(plan: Plan, what: string): HostkitError {
  return new HostkitError("disk_full", {
    what,
    where: plan.host,
    why: "a run that fills the disk would stop halfway; nothing was changed",
    next: "free space on the host: apt-get clean; journalctl --vacuum-size=100M; docker system df",
  });
}

function sizeOf(content: Content | undefined): number {
  return content !== undefined && "blob" in content ? content.blob.size : 0;
}

function formatKib(kib: number): string {
  return kib >= 1024 * mebibyte
    ? `${(kib / 1024 / mebibyte).toFixed(1)} GiB`
    : `${Math.round(kib / mebibyte)} MiB`;
}
