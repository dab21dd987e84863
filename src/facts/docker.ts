import { joinScripts, sh } from "../shell/script.ts";
import type { FactGroup, FactSource } from "./fact.ts";

/**
 * Images and networks, a line of JSON for each (`GET /images/NAME/json`, `GET /networks/NAME` of Docker's API). curl asks for all
 * at once; Docker's own client, the way without curl, is started once for each kind, and asks the daemon for its version first.
 */
const dockerGroup: FactGroup = {
  name: "docker",
  lane: "units",
  script(asked) {
    const images = asked.get("docker-image") ?? [];
    const networks = asked.get("docker-network") ?? [];
    const urls = [
      ...images.map((name) => `http://docker/images/${name}/json`),
      ...networks.map((name) => `http://docker/networks/${encodeURIComponent(name)}`),
    ];
    const inspect = (kind: string, names: readonly string[]) =>
      names.length === 0 ? sh`` : sh`docker ${kind} inspect --format ${"{{json .}}"} ${names}`;
    return sh`if [ -S /run/docker.sock ] && command -v curl >/dev/null; then
  curl -sg --max-time 60 -w ${"\\n"} --unix-socket /run/docker.sock ${urls}
else
  :
  ${joinScripts([inspect("image", images), inspect("network", networks)])}
fi`;
  },
};

interface DockerImage {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
}

interface DockerNetwork {
  readonly Name: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly IPAM: { readonly Config: readonly { readonly Subnet?: string }[] | null } | null;
}

/** What is not there is answered with a `message`. */
function readLines(stdout: string): readonly Partial<DockerImage & DockerNetwork>[] {
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      return [JSON.parse(line) as Partial<DockerImage & DockerNetwork>];
    } catch {
      // Cut short: the daemon went away while it answered.
      return [];
    }
  });
}

/** Docker images by `name:tag` or `name@sha256:…`: the image's id. */
export const imageFacts: FactSource<string> = {
  name: "docker-image",
  group: dockerGroup,
  parse(stdout, references) {
    const found = new Map<string, string>();
    for (const { Id: id, RepoTags: tags, RepoDigests: digests } of readLines(stdout)) {
      if (id?.startsWith("sha256:") !== true) continue;
      const names = [...(tags ?? []), ...(digests ?? [])];
      for (const reference of references) {
        if (names.some((name) => isSameReference(name, reference))) found.set(reference, id);
      }
    }
    return found;
  },
};

/** Docker shortens `docker.io/library/` names, and drops a tag where there is a digest. */
function isSameReference(name: string, reference: string): boolean {
  if (name === reference) return true;
  const digest = (text: string): string | undefined => /@(sha256:[0-9a-f]{64})$/.exec(text)?.[1];
  const wanted = digest(reference);
  return wanted !== undefined && digest(name) === wanted;
}

export interface NetworkFact {
  readonly driver: string;
  /** CIDR, the first one. */
  readonly subnet: string;
  readonly isInternal: boolean;
}

/** Docker networks by name. */
export const networkFacts: FactSource<NetworkFact> = {
  name: "docker-network",
  group: dockerGroup,
  parse(stdout, names) {
    const found = new Map<string, NetworkFact>();
    for (const network of readLines(stdout)) {
      const { Name: name, Driver: driver, Internal: internal, IPAM: addresses } = network;
      // The API takes the beginning of an id for a name, too.
      if (name === undefined || driver === undefined || !names.includes(name)) continue;
      const subnet = addresses?.Config?.[0]?.Subnet ?? "";
      found.set(name, { driver, isInternal: internal === true, subnet });
    }
    return found;
  },
};

export interface VolumeFact {
  /** Folder on the host. */
  readonly path: string;
  /** Names of the folder's owner and group. */
  readonly owner: string;
  readonly group: string;
}

/** Docker volumes by name. */
export const volumeFacts: FactSource<VolumeFact> = {
  name: "docker-volume",
  lane: "units",
  script: (names) =>
    sh`docker volume inspect --format ${"{{.Name}} {{.Mountpoint}}"} ${names} | while read -r name path; do
  echo "$name $(stat -c ${"%U %G"} "$path") $path"
done`,
  parse(stdout) {
    const found = new Map<string, VolumeFact>();
    for (const line of stdout.split("\n")) {
      const match = /^(\S+) (\S+) (\S+) (\/.*)$/.exec(line);
      if (match === null) continue;
      const [, name, owner, group, path] = match as unknown as [
        string,
        string,
        string,
        string,
        string,
      ];
      found.set(name, { path, owner, group });
    }
    return found;
  },
};
