import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { describeStatus, isHeld, isInstalled, packageFacts } from "../../facts/packages/package.ts";
import type { PackageFact } from "../../facts/packages/package.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { aptBound, aptPrelude, installScript } from "./apt.ts";
import { removalScript } from "./package-removal.ts";
import { idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * All packages of a stack from the distribution: one apt transaction.
 * There is one such resource, `packages:apt`; sections name what they need, `stack/` collects.
 */
export interface PackagesResource extends Resource {
  readonly kind: "packages";
  readonly name: "apt";
  /** Sorted, unique. */
  readonly packages: readonly string[];
  /** Of these, what holds the user's data. */
  readonly dataPackages: readonly string[];
  /**
   * By package: the unit it would start as it is installed. It is kept from that where the first start comes later in the run,
   * with the configuration that is then in place.
   */
  readonly startsLater?: Readonly<Record<string, string>>;
  /** `name=version` pins. */
  readonly pins: Readonly<Record<string, string>>;
  /** By package: others that do the same and are as good where one is installed already (Docker's own packages). */
  readonly alternatives?: Readonly<Record<string, readonly string[]>>;
  /** Folder of the stack on the host. */
  readonly stackDirectory: string;
}

/** What is to be installed, and why. */
export interface MissingPackages {
  /** Names, with `=version` where pinned: apt's words. */
  readonly words: readonly string[];
  readonly reasons: readonly string[];
  /** Of these, what is not just missing. */
  readonly remarkable: readonly string[];
  /** Of the pinned, those on hold in another version: apt will not change them, and nobody else should. */
  readonly held: readonly string[];
}

/** The difference between what a stack needs of packages and what is installed. */
export function findMissing(resource: PackagesResource, facts: Facts): MissingPackages {
  const factOf = (name: string): PackageFact | undefined => facts.get(packageFacts, name);
  const isThere = (name: string): boolean =>
    [name, ...(resource.alternatives?.[name] ?? [])].some((one) => isInstalled(factOf(one)));
  const missing = resource.packages.filter((name) => !isThere(name));
  const broken = missing.filter((name) => describeStatus(factOf(name)) !== undefined);
  const absent = missing.filter((name) => !broken.includes(name));
  const repinned = Object.entries(resource.pins).filter(([name, version]) => {
    const fact = factOf(name);
    return isInstalled(fact) && fact?.version !== version;
  });
  const pinned = (name: string): string =>
    resource.pins[name] === undefined ? name : `${name}=${resource.pins[name]}`;
  const remarkable = [
    ...broken.map((name) => `${name} is ${describeStatus(factOf(name))}, from an earlier run`),
    ...repinned.map(([name, version]) => `${name} should be version ${version}`),
  ];
  return {
    words: [...missing.map(pinned), ...repinned.map(([name]) => pinned(name))],
    reasons: [
      ...(absent.length === 0 ? [] : [`not installed: ${absent.join(", ")}`]),
      ...remarkable,
    ],
    remarkable,
    held: repinned.map(([name]) => name).filter((name) => isHeld(factOf(name))),
  };
}

/** The file in a stack's folder that says which packages it needs, whoever installed them: other stacks' uninstalls read it. */
export function needsPath(stackDirectory: string): string {
  return `${stackDirectory}/needs`;
}

function needsText(resource: PackagesResource): string {
  const names = resource.packages.flatMap((name) => [
    name,
    ...(resource.alternatives?.[name] ?? []),
  ]);
  return [...new Set(names)].sort().join(" ");
}

/** Until the script ends. Named on disk before: of a run that was killed the next run, of whatever kind, lets them go (runner.sh). */
function holdScript(units: readonly string[]): Script {
  const release = `systemctl unmask --runtime -q ${units.join(" ")} && rm -f "$HOSTKIT_STACK_DIRECTORY/held"`;
  return sh`echo ${units} >"$HOSTKIT_STACK_DIRECTORY/held"
sync "$HOSTKIT_STACK_DIRECTORY/held" "$HOSTKIT_STACK_DIRECTORY"
trap ${release} EXIT
systemctl mask --runtime -q ${units}`;
}

export const packagesKind: ResourceKind<PackagesResource> = {
  kind: "packages",
  group: "packages",
  // Caddy's own package starts it.
  touches: () => ["certificates"],
  needs: (resource): FactNeed[] => [
    ...[...resource.packages, ...Object.values(resource.alternatives ?? {}).flat()].map((name) =>
      need(packageFacts, name),
    ),
    need(textFacts, needsPath(resource.stackDirectory)),
  ],

  diff(resource, facts, context): Change | undefined {
    const { words, reasons, remarkable, held: changesHeld } = findMissing(resource, facts);
    const needsFile = needsPath(resource.stackDirectory);
    const needs = needsText(resource);
    const isWritten = context.isOwned && facts.get(textFacts, needsFile)?.trim() === needs;
    if (words.length === 0 && isWritten) return undefined;
    const writeNeeds = sh`echo ${needs} >${`${needsFile}.new`}
mv -f ${`${needsFile}.new`} ${needsFile}`;
    if (words.length === 0) {
      return {
        id: idOf(resource),
        action: "update",
        because: "what this stack needs is not yet written down on the host",
        steps: [{ type: "script", title: "note which packages are needed", script: writeNeeds }],
      };
    }
    const held = words.flatMap((word) => resource.startsLater?.[word.split("=")[0] ?? ""] ?? []);
    return {
      id: idOf(resource),
      action: "create",
      because: reasons.join("; "),
      installs: words,
      ...(remarkable.length === 0 ? {} : { notes: remarkable }),
      ...(changesHeld.length === 0 ? {} : { changesHeld }),
      steps: [
        {
          type: "script",
          title: `install ${words.join(" ")}`,
          bound: aptBound,
          script: sh`${writeNeeds}
${held.length === 0 ? sh`` : holdScript(held)}
${aptPrelude}
[ -e update.log ] || apt_update
asked=${needs}
apt_install_options=
set -- ${words}
${installScript}`,
        },
      ],
    };
  },

  own: (resource) => ({ kind: "packages", name: "apt", dataPackages: resource.dataPackages }),
  removalNeeds: () => [],

  /** Only what hostkit installed (the ledger) goes, and of that only what nobody else uses; see package-uses. */
  remove(owned, _facts, context): Change {
    return removeByScript(
      owned,
      "remove packages that hostkit installed",
      removalScript(context.deleteData, context.isUnfinished),
      "installed by hostkit",
      aptBound,
    );
  },
};
