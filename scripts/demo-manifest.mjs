#!/usr/bin/env node
// Points the manifest that `hostkit init --stack dxcluster` wrote at the demo: one host named "demo", container images
// made from the lab's base image (so that no registry is needed), and the simulated cluster node. Comments stay.
// Usage: demo-manifest.mjs FILE IMAGE [NODES]     IMAGE: base image of the builds. NODES: host:port of the cluster nodes.
import { readFileSync, writeFileSync } from "node:fs";
import { parseDocument } from "yaml";

const [file, image, nodes] = process.argv.slice(2);
if (file === undefined || image === undefined) {
  process.stderr.write("usage: demo-manifest.mjs FILE IMAGE [NODES]\n");
  process.exit(64);
}
const before = readFileSync(file, "utf8");
const document = parseDocument(before);
if (!document.hasIn(["hosts", "demo"])) {
  document.setIn(["hosts"], { demo: { address: "dx1.example.org" } });
}
for (const name of ["api", "dashboard"]) {
  const args = { BASE_IMAGE: image };
  document.setIn(["web", name, "build"], document.createNode({ context: `./${name}`, args }));
}
if (nodes !== undefined) document.setIn(["services", "scraper", "env", "DX_NODES"], nodes);
const after = document.toString({ lineWidth: 0, flowCollectionPadding: true });
if (after !== before) writeFileSync(file, after);
