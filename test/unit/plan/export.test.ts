import { expect, test } from "vitest";
import { parseManifest } from "../../../src/manifest/parse.ts";
import {
  boundOf,
  listExportItems,
  measureScript,
  readMeasures,
  renderChecksums,
  renderExportPage,
} from "../../../src/plan/export.ts";

const { manifest } = parseManifest(
  `stack: shop
hosts: { h1: { address: 192.0.2.1 } }
database: { databases: { orders: { owner: keeper } } }
services:
  worker: { image: "example.org/worker@sha256:${"a".repeat(64)}", volumes: ["data:/data", "/srv/in:/in"] }
backups:
  repositories: { local: { path: /var/backups/shop } }
  files: { paths: [/etc/a-b, /etc/a/b], volumes: [data] }
`,
  "hostkit.yaml",
);
if (manifest === undefined) throw new Error("the manifest is not right");
const items = listExportItems(manifest, 17);

test("all that nothing can make again, each in a file of its own", () => {
  expect(items.map(({ file }) => file)).toEqual([
    "roles.sql",
    "databases/orders.dump",
    "volumes/data.tar",
    "files/1-etc-a-b.tar",
    "files/2-etc-a-b.tar",
  ]);
});

test("what is not there is told by its line", () => {
  expect(measureScript(items).text.match(/^echo "is \$\(/gm)).toHaveLength(items.length);
  expect(readMeasures("is 65536 1\nis 8000000 1\nis \nis 12 3\nis\n")).toEqual([
    { bytes: 65536, names: 1 },
    { bytes: 8000000, names: 1 },
    undefined,
    { bytes: 12, names: 3 },
    undefined,
  ]);
  expect(boundOf({ bytes: 10, names: 1 })).toBe(20 + 8192 + 1024 ** 3);
});

test("the page names what is in it, how to use it, and what is not", () => {
  const written = items.slice(0, 3).map((item) => ({
    item,
    bytes: 1,
    sha256: "f".repeat(64),
    isInMotion: item.kind === "volume",
  }));
  const page = renderExportPage({
    ...{ stack: "shop", host: "h1", time: "2026-11-21 14:05", major: 17 },
    ...{ items: written, missing: items.slice(3) },
  });
  expect(page).toContain("pg_restore --create --exit-on-error -d postgres databases/orders.dump");
  expect(page).toContain("docker volume create data");
  expect(page).toContain("Not on the host, and so not in here: `/etc/a-b`, `/etc/a/b`.");
  expect(page).toContain("different moments: `volumes/data.tar`");
  expect(page).not.toContain("## Files");
  expect(renderChecksums(written).split("\n")[1]).toBe(`${"f".repeat(64)}  databases/orders.dump`);
});
