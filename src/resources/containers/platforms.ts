/** Docker's names of dpkg's architectures, where they differ. */
const dockerNames: Readonly<Record<string, string>> = {
  armhf: "arm",
  armel: "arm",
  i386: "386",
  ppc64el: "ppc64le",
};

/** Docker's name of dpkg's architecture. */
export function dockerArchitectureOf(dpkg: string): string {
  return dockerNames[dpkg] ?? dpkg;
}

/** What else a processor of this kind runs. */
export const alsoRuns: Readonly<Record<string, readonly string[]>> = {
  amd64: ["386"],
  arm64: ["arm"],
};
