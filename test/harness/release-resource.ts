import { parseManifest } from "../../src/manifest/parse.ts";
import type { ReleaseResource } from "../../src/resources/containers/slots.ts";
import { resolveStack } from "../../src/stack/resolve.ts";

/**
 * The release of the one service `api` of the stack `s`, as a manifest makes it.
 * @param more keys of the service, as YAML: `, watch: 2m`
 */
export function resolveRelease(
  templates: ReadonlyMap<string, string>,
  more: string,
  section: "web" | "services" = "web",
): ReleaseResource {
  const port = section === "web" ? "port: 8080, " : "";
  const { manifest, problems } = parseManifest(
    `stack: s\nhosts: { h: { address: h.example.org } }\n${section}: { api: { build: ./api, ${port}secrets: [TOKEN]${more} } }\n`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(JSON.stringify(problems));
  const resources = resolveStack({
    manifest,
    host: "h",
    system: { distribution: "debian", version: "13", architecture: "amd64" },
    hostname: "h",
    templates,
    blobs: new Map([["./api", { path: "/p", sha256: "aa", size: 1, type: "tree" as const }]]),
    texts: new Map(),
    secrets: new Map([["TOKEN", "sesame"]]),
    isLab: false,
  });
  return resources.find(({ kind }) => kind === "release") as ReleaseResource;
}
