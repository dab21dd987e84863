// The stack of scripts/drill: a native service that writes rows, a container that writes into a volume, a folder of files.
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { writeImageArchive } from "../../dist/lab/node-image.js";

const insert = `while :; do psql -Atqc "insert into ticks default values"; sleep 0.1; done`;

/**
 * A folder to call hostkit in.
 * @param repository the repository `offsite` of the manifest
 * @param secrets of it, as environment variables
 */
export async function makeProject(cache, repository, secrets) {
  const folder = await mkdtemp(path.join(tmpdir(), "hostkit-drill-"));
  await mkdir(path.join(folder, "db"));
  await mkdir(path.join(folder, ".hostkit"));
  await writeFile(
    path.join(folder, "db/0001_ledger.sql"),
    `create table ledger (id bigint primary key, word text not null);
create table ticks (id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp());
`,
  );
  await writeFile(
    path.join(folder, ".hostkit/secrets"),
    Object.entries({ DRILL_KEY: "a passphrase that the operator keeps", ...secrets })
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
    { mode: 0o600 },
  );
  await makeImage(cache, folder);
  return {
    folder,
    async point(host) {
      const { address, keyPath, hostKey } = host;
      const target = { address, user: "root", identity: keyPath, host_key: hostKey };
      await writeFile(path.join(folder, "hostkit.yaml"), stringify(manifestOf(target, repository)));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function manifestOf(host, repository) {
  return {
    stack: "drill",
    hosts: { h1: host },
    database: { databases: { drill: { owner: "drill_owner", migrations: "db" } } },
    services: {
      writer: {
        exec: ["/bin/sh", "-c", insert],
        database: { name: "drill", role: "drill_owner" },
      },
      keeper: { archive: "keeper.tar.gz", volumes: ["data:/data"] },
    },
    backups: {
      repositories: { offsite: { ...repository, passphrase: "DRILL_KEY" } },
      postgres: { full: "weekly", incremental: "daily" },
      files: {
        paths: ["/srv/uploads"],
        volumes: ["data"],
        schedule: "daily",
        keep: { daily: 3 },
      },
    },
    host: { updates: "none" },
  };
}

/** Busybox that appends a line to its volume five times a second. */
async function makeImage(cache, folder) {
  const packages = path.join(cache, "faults-busybox");
  await mkdir(packages, { recursive: true });
  const run = (command, ...words) =>
    execFileSync(command, words, { cwd: packages, stdio: ["ignore", "pipe", "ignore"] });
  const work = path.join(folder, "image");
  await mkdir(path.join(work, "bin"), { recursive: true });
  run(
    "sh",
    "-c",
    "[ -e bin/busybox ] || { apt-get download busybox-static && dpkg-deb -x busybox-static_*.deb .; }",
  );
  await cp(path.join(packages, "bin/busybox"), path.join(work, "bin/busybox"));
  const layer = path.join(folder, "layer.tar");
  run("tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-cf", layer, "-C", work, ".");
  const loop = "while :; do /bin/busybox date +%s >>/data/log; /bin/busybox sleep 0.2; done";
  await writeImageArchive({
    layer,
    target: path.join(folder, "keeper.tar.gz"),
    tag: "drill/keeper:1",
    command: ["/bin/busybox", "sh", "-c", loop],
  });
  await rm(layer);
  await rm(work, { recursive: true });
}
