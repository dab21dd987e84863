import { aptSimulationFacts } from "../facts/packages/apt-simulation.ts";
import type { AptSimulation } from "../facts/packages/apt-simulation.ts";
import { engineFacts, engineSubject } from "../facts/containers/engine.ts";
import type { Facts } from "../facts/fact.ts";
import { describeStatus, isInstalled, packageFacts } from "../facts/packages/package.ts";
import { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/schema.ts";
import { containersOf } from "../manifest/services.ts";
import { packagesId } from "../stack/inputs.ts";
import type { Plan } from "./types.ts";
import { unfinishedIn } from "./unfinished.ts";

/** Packages that bring a Docker, and one that stands in its place. */
const engines = ["docker.io", "docker-ce", "moby-engine"] as const;
export const engineNames: readonly string[] = [...engines, "podman-docker"];

/** The oldest Engine that hostkit has been tried with: Debian 12's. */
const oldestEngine = [20, 10] as const;

/** What apt is to install, in its words; "" where nothing is. */
export function wordsOf(plan: Plan): string {
  return plan.changes.flatMap(({ installs }) => installs ?? []).join(" ");
}

function refuse(plan: Plan, what: string, next: string, details: readonly string[] = []) {
  return new HostkitError("packages_blocked", {
    what,
    where: plan.host,
    why: "nothing was changed",
    next,
    ...(details.length === 0 ? {} : { details: details.slice(0, 12) }),
  });
}

/**
 * Where dpkg cannot read its list, or finds it empty, it knows nothing of itself either: then nothing looks installed, and all that is
 * there would be taken for hostkit's.
 */
export function checkDpkg(plan: Plan, facts: Facts): HostkitError | undefined {
  if (!facts.wasAsked(packageFacts) || facts.get(packageFacts, "dpkg") !== undefined)
    return undefined;
  return refuse(
    plan,
    "dpkg cannot read its list of packages, /var/lib/dpkg/status: what is installed cannot be told",
    "on the host: dpkg-query -W dpkg   says why; older copies are /var/backups/dpkg.status.*",
  );
}

/** What apt would refuse, or only do at a price, as far as it can tell by the lists it has. */
export function checkPackages(plan: Plan, facts: Facts): HostkitError[] {
  const words = wordsOf(plan);
  const held = plan.changes.flatMap((change) => change.changesHeld ?? []);
  const errors = held.map((name) =>
    refuse(
      plan,
      `${name} is on hold, and the manifest wants another version of it`,
      `on the host: apt-mark unhold ${name}   or write its present version into the manifest`,
    ),
  );
  const simulation = words === "" ? undefined : facts.get(aptSimulationFacts, words);
  if (simulation?.state !== "known") return errors;
  const otherHeld = simulation.changesHeld.filter((name) => !held.includes(name));
  if (otherHeld.length > 0)
    errors.push(
      refuse(
        plan,
        `apt would have to change what is on hold: ${otherHeld.join(", ")}`,
        `on the host: apt-get -s install ${words}   then apt-mark unhold what may change`,
      ),
    );
  return [...errors, ...explainSimulation(plan, words, simulation)];
}

/** What apt itself says against the installation, beside packages on hold. */
function explainSimulation(plan: Plan, words: string, simulation: AptSimulation): HostkitError[] {
  const { removes, unknown, hasDistribution, refusal } = simulation;
  const errors: HostkitError[] = [];
  if (removes.length > 0)
    errors.push(
      refuse(
        plan,
        `apt would remove ${removes.join(", ")} to install ${words}`,
        `on the host: apt-get -s install ${words}   and remove yourself what is not needed`,
      ),
    );
  if (unknown.length > 0 && hasDistribution)
    errors.push(
      refuse(
        plan,
        `no source of apt on the host has the package ${unknown.join(", ")}`,
        "check the name in the manifest; if it is right: apt-get update on the host",
      ),
    );
  // A version or a package that the old lists lack may be in the new ones.
  const firm = refusal.filter(
    (line) => !/^(?:Unable to locate|Version '|Package '?\S+ has no installation)/.test(line),
  );
  const isStale = unknown.length > 0 || refusal.some((line) => line.startsWith("Version '"));
  if (firm.length > 0 && !isStale && removes.length === 0)
    errors.push(
      refuse(
        plan,
        `apt would not install ${words}: ${firm[0]}`,
        `on the host: apt-get -s install ${words}`,
        firm.slice(1),
      ),
    );
  return errors;
}

/** A Docker that is there is used, where it can be. */
export function checkEngine(manifest: Manifest, plan: Plan, facts: Facts): HostkitError[] {
  if (containersOf(manifest).length === 0 || !facts.wasAsked(engineFacts)) return [];
  const found = facts.get(engineFacts, engineSubject);
  const installed = engines.find((name) => isInstalled(facts.get(packageFacts, name)));
  if (installed === undefined) {
    if (isInstalled(facts.get(packageFacts, "podman-docker")))
      return [
        refuse(
          plan,
          "podman-docker is installed: its `docker` is podman's, and Docker Engine conflicts with it",
          "on the host: apt-get remove podman-docker   (podman itself may stay)",
        ),
      ];
    if (
      found !== undefined &&
      found.daemon !== "" &&
      found.packages.length === 0 &&
      !isHalfInstalled(plan, facts)
    )
      return [
        refuse(
          plan,
          `there is a Docker that no package brought: ${found.daemon}`,
          "remove it, or install Docker from a package; hostkit would put docker.io beside it",
        ),
      ];
    return [];
  }
  return checkInstalledEngine(plan, facts, installed);
}

/** dpkg lists the files of a package once it is unpacked: what was cut off before that seems to be nobody's. */
function isHalfInstalled({ stackDirectory }: Plan, facts: Facts): boolean {
  return (
    unfinishedIn({ facts, stackDirectory }).has(packagesId) ||
    engines.some((name) => describeStatus(facts.get(packageFacts, name)) !== undefined)
  );
}

/** An engine's package must be new enough, and its programs must be there. */
function checkInstalledEngine(
  plan: Plan,
  facts: Facts,
  installed: (typeof engines)[number],
): HostkitError[] {
  const found = facts.get(engineFacts, engineSubject);
  const version = (facts.get(packageFacts, installed)?.version ?? "").replace(/^\d+:/, "");
  const [major = 0, minor = 0] = version.split(/[.+~-]/).map(Number);
  if (major < oldestEngine[0] || (major === oldestEngine[0] && minor < oldestEngine[1]))
    return [
      refuse(
        plan,
        `${installed} ${version} is too old: hostkit needs Docker Engine ${oldestEngine.join(".")} or newer`,
        `on the host: apt-get install --only-upgrade ${installed}`,
      ),
    ];
  if (found?.daemon === "" || (found?.client === "" && installed !== "docker.io"))
    return [
      refuse(
        plan,
        `${installed} is installed, but there is no ${found.daemon === "" ? "dockerd" : "docker"} on the host`,
        `on the host: apt-get install --reinstall ${installed}`,
      ),
    ];
  return [];
}
