import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Facts } from "../../src/facts/fact.ts";
import { readTemplates } from "../../src/local/templates.ts";
import { parseManifest } from "../../src/manifest/parse.ts";
import { makePlan } from "../../src/plan/plan.ts";
import type { PageInput } from "../../src/plan/page/page.ts";
import { stackDirectoryOf } from "../../src/stack/names.ts";
import { resolveStack } from "../../src/stack/resolve.ts";
import { stackFolder } from "./dx-stack.ts";

/** Everything that a first provision of the DX Cluster's page is made from, on a host of which nothing is known. */
export async function planDxCluster(facts = Facts.of()): Promise<PageInput> {
  const text = readFileSync(path.join(stackFolder, "hostkit.yaml"), "utf8");
  const { manifest } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error("the DX Cluster's manifest cannot be read");
  const folder = path.join(stackFolder, "db/migrations");
  const migrations = readdirSync(folder)
    .sort()
    .map((name) => ({ name, text: readFileSync(path.join(folder, name), "utf8") }));
  const blob = (type: "file" | "tree") => ({ path: "/p", sha256: "aa", size: 800_000, type });
  const resources = resolveStack({
    ...{ manifest, host: "dx1", hostname: "dx1", isLab: false, templates: await readTemplates() },
    system: { distribution: "debian", version: "13", architecture: "amd64" },
    blobs: new Map([
      ["dist/dx-scraper.deb", blob("file")],
      ["./api", blob("tree")],
      ["./dashboard", blob("tree")],
    ]),
    ...{
      texts: new Map(),
      secrets: new Map(),
      migrations: new Map([["db/migrations", migrations]]),
    },
  });
  const stackDirectory = stackDirectoryOf(manifest.stack);
  const plan = makePlan({ host: "dx1", stack: manifest.stack, stackDirectory, resources, facts });
  return { plan, manifest, resources, facts, closer: Facts.of() };
}
