import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** Docker images by `name:tag` or `name@sha256:…`: the image's id. */
export const imageFacts: FactSource<string> = {
  name: "docker-image",
  lane: "docker",
  // One call for all: it prints those that are there and complains about the others.
  script: (references) =>
    sh`docker image inspect --format ${"{{.Id}} {{range .RepoTags}}{{.}} {{end}}{{range .RepoDigests}}{{.}} {{end}}"} ${references}`,
  parse(stdout, references) {
    const found = new Map<string, string>();
    for (const line of stdout.split("\n")) {
      const [id, ...names] = line.split(" ");
      if (id === undefined || !id.startsWith("sha256:")) continue;
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
  lane: "docker",
  script: (names) =>
    sh`docker network inspect --format ${"{{.Name}} {{.Driver}} {{.Internal}} {{range .IPAM.Config}}{{.Subnet}} {{end}}"} ${names}`,
  parse(stdout) {
    const found = new Map<string, NetworkFact>();
    for (const line of stdout.split("\n")) {
      const [name, driver, internal, subnet] = line.split(" ");
      if (name === undefined || driver === undefined) continue;
      found.set(name, { driver, isInternal: internal === "true", subnet: subnet ?? "" });
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
  lane: "docker",
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
