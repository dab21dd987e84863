import { distributionOf } from "../../distributions.ts";
import { hashText } from "../../facts/files/hash.ts";
import type { Manifest } from "../../manifest/schema.ts";
import { buildsOf } from "../../manifest/base-images.ts";
import { jsonFile } from "../../resources/files/json-file.ts";
import { network, networkId } from "../../resources/containers/network.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { unit, unitId } from "../../resources/units/unit.ts";
import { daemonPath, startDocker } from "../../resources/containers/docker-start.ts";
import { sh } from "../../shell/script.ts";
import { stackDirectoryOf } from "../names.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { packagesId } from "../inputs.ts";
import { networkOf } from "../names.ts";

/**
 * What hostkit sets in Docker's own configuration; other keys stay as they are.
 * Containers that somebody starts by hand log into the journal, which has a limit; they cannot gain privileges, and not
 * talk to each other on the default bridge.
 */
const daemonSettings = {
  icc: false,
  "live-restore": true,
  "log-driver": "journald",
  "no-new-privileges": true,
} as const;

/** Below the stack's folder: the daemon.json that Docker ran with. */
const formerDaemon = "former/docker";

/** Docker's own word on it, where it is installed and can say (from 23.0 on). */
const checkDaemon = sh`if command -v dockerd >/dev/null && dockerd --help 2>&1 | grep -q -e --validate; then
  if ! dockerd --validate --config-file "$PWD/next" >check.log 2>&1; then
    echo "Docker refuses its configuration; the one before stays:" >&2
    tail -n 5 check.log >&2
    exit 1
  fi
fi`;

/** The ids containers wait for: Docker runs, the stack's network is there. */
export function engineIds(manifest: Manifest): ResourceId[] {
  return [unitId("docker.service"), networkId(networkOf(manifest.stack))];
}

/** Docker Engine of the distribution and the stack's network. Both sections with containers name it; it counts once. */
export function resolveEngine(inputs: StackInputs): Section {
  const { manifest, system } = inputs;
  const daemon = jsonFile(daemonPath, daemonSettings, { check: checkDaemon, former: formerDaemon });
  const docker = unit("docker.service", stackDirectoryOf(manifest.stack), {
    ours: false,
    watches: [idOf(daemon)],
    inputs: hashText(JSON.stringify(daemonSettings)),
    after: [packagesId],
    isStartedByPackage: true,
    start: startDocker(formerDaemon),
  });
  const stackNetwork = network(networkOf(manifest.stack), { after: [idOf(docker)] });
  const resources: Resource[] = [daemon, docker, stackNetwork];
  return {
    packages: [
      ...distributionOf(system).docker,
      ...(buildsAny(manifest) ? distributionOf(system).builder.packages : []),
      ...["curl", "iptables"],
    ],
    alternatives: engineAlternatives,
    resources,
    // Read at Docker's first start, which is its package's.
    beforePackages: [idOf(daemon)],
  };
}

function buildsAny(manifest: Manifest): boolean {
  return buildsOf(manifest).some(({ source }) => source.on === undefined);
}

/** Docker's own packages, and Azure's: a host that has them keeps them. They conflict with the distribution's. */
const engineAlternatives: Readonly<Record<string, readonly string[]>> = {
  "docker.io": ["docker-ce", "moby-engine"],
  "docker-cli": ["docker-ce-cli", "moby-cli"],
  "docker-buildx": ["docker-buildx-plugin", "moby-buildx"],
};
