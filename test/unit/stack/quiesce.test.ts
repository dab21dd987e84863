import { execa } from "execa";
import { beforeAll, describe, expect, test } from "vitest";
import { readTemplates } from "../../../src/local/templates.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import type { Manifest } from "../../../src/manifest/schema.ts";
import type { FileResource } from "../../../src/resources/files/file.ts";
import { idOf } from "../../../src/resources/resource.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { resolveBackups } from "../../../src/stack/backups/backups.ts";
import { listQuiesceGroups } from "../../../src/stack/backups/quiesce-groups.ts";

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

const services = `stack: app
hosts: { h: { address: h.example.org } }
services:
  worker: { image: "x/y@sha256:${"ab".repeat(32)}", volumes: ["data:/data", "files:/files", "db:/db"] }
  cache: { image: "x/y@sha256:${"ab".repeat(32)}", volumes: ["store:/r"], secrets: [CACHE_PASSWORD] }
web:
  api: { image: "x/y@sha256:${"ab".repeat(32)}", port: 80, stateful: true, volumes: ["files:/f", "data:/d:ro"] }
backups:
  repositories: { local: { path: /var/backups/app } }
`;

function read(volumes: string): Manifest {
  const { manifest, problems } = parseManifest(
    `${services}  files: { volumes: ${volumes} }\n`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  return manifest;
}

function resolve(volumes: string): {
  packages: readonly string[];
  all: ReadonlyMap<string, Resource>;
} {
  const { packages, resources } = resolveBackups(
    {
      manifest: read(volumes),
      ...{ host: "h", hostname: "h", templates, isLab: false },
      system: { distribution: "debian", version: "13", architecture: "amd64" },
      ...{ blobs: new Map(), texts: new Map(), secrets: new Map() },
    },
    [],
  );
  return { packages, all: new Map(resources.map((one) => [idOf(one), one])) };
}

function textOf(all: ReadonlyMap<string, Resource>, path: string): string {
  const found = all.get(`file:${path}`) as FileResource | undefined;
  return found !== undefined && "text" in found.content ? found.content.text : "";
}

const library = "/usr/local/lib/hostkit/app";
const every = `[{ name: data, quiesce: stop }, { name: db, quiesce: sqlite }, { name: store, quiesce: redis, password: CACHE_PASSWORD }, { name: files, quiesce: { command: ["/bin/x", "it's; $(id)"], after: /bin/y }, service: worker }]`;

describe("volumes that are copied at a moment of rest", () => {
  test("the backup sees the copies at the volumes' own paths, and only where there are copies", () => {
    const { all, packages } = resolve(every);
    const unit = textOf(all, "/etc/systemd/system/app-backup-files.service");
    for (const name of ["data", "db", "store", "files"])
      expect(unit).toContain(
        `BindReadOnlyPaths=-/var/lib/hostkit/app/quiesced/volumes/${name}:/var/lib/docker/volumes/hostkit-app-${name}/_data\n`,
      );
    expect(unit).toContain("Wants=app-quiesce-ready.service\nAfter=app-quiesce-ready.service\n");
    for (const name of ["data", "db", "store", "files"])
      expect(unit).toContain(`OnFailure=app-quiesce-settle@${name}.service\n`);
    expect(textOf(all, "/etc/systemd/system/app-quiesce@.service")).toContain(
      "OnFailure=app-quiesce-settle@%i.service\n",
    );
    expect(textOf(all, "/etc/systemd/system/app-quiesce-settle@.service")).not.toContain(
      "OnFailure",
    );
    expect(packages).toContain("sqlite3");

    const dumped = resolve(`[{ name: db, quiesce: { command: /bin/dump } }]`);
    expect(textOf(dumped.all, "/etc/systemd/system/app-backup-files.service")).not.toContain(
      "BindReadOnlyPaths",
    );
    expect(dumped.packages).not.toContain("sqlite3");
  });

  test("nothing of it is on a host where no volume asks for it", () => {
    const { all } = resolve("[data, { name: db }]");
    expect([...all.keys()].filter((id) => id.includes("quiesce"))).toEqual([]);
    const unit = textOf(all, "/etc/systemd/system/app-backup-files.service");
    expect(unit).not.toMatch(/quiesce|BindReadOnly/);
    expect(textOf(all, `${library}/backup-files`)).not.toMatch(/quiesce@|restart/);
    expect(textOf(all, `${library}/drill-files`)).not.toContain("SQLite");
  });

  test("words of commands are single words of the script, which is one that a shell reads", async () => {
    const { all } = resolve(every);
    const script = textOf(all, `${library}/quiesce`);
    expect(script).toContain(String.raw`command() { in_container /bin/x 'it'\''s; $(id)'; }`);
    for (const name of ["quiesce", "backup-files", "drill-files"])
      await execa("sh", ["-n"], { input: textOf(all, `${library}/${name}`) });
  });

  test("the first backup waits for all that copies", () => {
    const { all } = resolve(every);
    const first = all.get("backup-first:files");
    expect(first?.after).toEqual(
      expect.arrayContaining([
        `file:${library}/quiesce`,
        "file:/etc/systemd/system/app-quiesce@.service",
        "directory:/var/lib/hostkit/app/quiesced",
      ]),
    );
  });

  test("who is stopped once for two volumes, who reads on, and who is asked", () => {
    const groups = listQuiesceGroups(
      read(
        "[{ name: files, quiesce: stop }, { name: data, quiesce: stop }, { name: db, quiesce: sqlite }]",
      ),
    ).map(({ name, volumes, writers, readers }) => ({
      name,
      volumes,
      writers: writers.map((one) => one.name),
      readers: readers.map((one) => one.name),
    }));
    expect(groups).toEqual([
      { name: "data", volumes: ["data", "files"], writers: ["worker", "api"], readers: [] },
      { name: "db", volumes: ["db"], writers: ["worker"], readers: [] },
    ]);
    const [alone] = listQuiesceGroups(read("[{ name: data, quiesce: stop }]"));
    expect(alone?.writers.map((one) => one.name)).toEqual(["worker"]);
    expect(alone?.readers.map((one) => one.name)).toEqual(["api"]);
  });
});
