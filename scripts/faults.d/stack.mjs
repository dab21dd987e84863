// A small stack with every section in it, as files of a project folder, in two versions.
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { writeImageArchive } from "../../dist/lab/node-image.js";

/** What differs between the two, a value a section. */
const versions = {
  first: {
    journal: "200M",
    size: 64,
    word: "one",
    allow: ["ssh", "http", "https"],
    header: "first",
  },
  second: {
    journal: "300M",
    size: 96,
    word: "two",
    allow: ["ssh", "http", "https", "8443"],
    header: "second",
  },
};

function manifestOf({ journal, size, word, allow, header }, host, image) {
  return {
    stack: "shop",
    hosts: { h1: host },
    database: {
      databases: { shop: { owner: "shop_owner", migrations: "db" } },
      roles: {
        page: { grants: [{ schema: "public", on: "all tables", privileges: ["select"] }] },
      },
      settings: { work_mem: `${size / 16}MB`, max_connections: String(size) },
    },
    services: {
      beat: {
        exec: ["/bin/sh", "-c", 'while :; do echo "$WORD" >"$STATE_DIRECTORY/now"; sleep 1; done'],
        env: { WORD: word },
      },
    },
    web: { page: { archive: image, port: 8080, health: "/", watch: "2s", env: { WORD: word } } },
    proxy: {
      sites: { "shop.test": { tls: "internal", routes: "page", headers: { "X-Word": header } } },
    },
    backups: {
      repositories: { local: { path: "/var/backups/shop" } },
      postgres: { full: "weekly", incremental: "daily", keep: { full: word === "one" ? 2 : 3 } },
      files: {
        paths: ["/etc/hostkit"],
        schedule: "daily",
        keep: { daily: word === "one" ? 3 : 4 },
      },
    },
    firewall: { allow },
    host: {
      updates: "security",
      journal: { max: journal },
      sysctl: { "net.core.somaxconn": String(size * 64) },
    },
  };
}

/** The files of a project: images and migrations of both versions. Made once. */
export class Stack {
  #folder;

  static async make(cache) {
    const stack = new Stack();
    stack.#folder = await mkdtemp(path.join(tmpdir(), "hostkit-faults-"));
    await mkdir(path.join(stack.#folder, "db"));
    await writeFile(
      path.join(stack.#folder, "db/0001_init.sql"),
      "create table item (id int primary key, name text);\n",
    );
    for (const word of ["one", "two"]) await stack.#makeImage(cache, word);
    return stack;
  }

  /**
   * A folder to call hostkit in, with its own copy of the files.
   * @param version "first" or "second"; "release": the first with the second's image
   */
  async project(version, host) {
    const folder = await mkdtemp(path.join(tmpdir(), "hostkit-faults-project-"));
    await cp(this.#folder, folder, { recursive: true });
    await this.write(folder, version, host);
    return folder;
  }

  async write(folder, version, host) {
    const image = `${version === "first" ? "one" : "two"}.tar.gz`;
    const { address, keyPath, hostKey } = host;
    const target = { address, user: "root", identity: keyPath, host_key: hostKey };
    const manifest = manifestOf(versions[version] ?? versions.first, target, image);
    await writeFile(path.join(folder, "hostkit.yaml"), stringify(manifest));
    if (version === "second")
      await writeFile(
        path.join(folder, "db/0002_more.sql"),
        "alter table item add column price int;\n",
      );
  }

  async remove() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Busybox and one page. */
  async #makeImage(cache, word) {
    const work = path.join(this.#folder, word);
    await mkdir(path.join(work, "bin"), { recursive: true });
    await mkdir(path.join(work, "www"));
    const packages = path.join(cache, "faults-busybox");
    await mkdir(packages, { recursive: true });
    const run = (command, ...words) =>
      execFileSync(command, words, { cwd: packages, stdio: ["ignore", "pipe", "ignore"] });
    try {
      await cp(path.join(packages, "bin/busybox"), path.join(work, "bin/busybox"));
    } catch {
      run("sh", "-c", "apt-get download busybox-static && dpkg-deb -x busybox-static_*.deb .");
      await cp(path.join(packages, "bin/busybox"), path.join(work, "bin/busybox"));
    }
    await writeFile(path.join(work, "www/index.html"), `${word}\n`);
    const layer = `${work}.layer`;
    run(
      "tar",
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--mtime=@0",
      "-cf",
      layer,
      "-C",
      work,
      ".",
    );
    const command = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"];
    await writeImageArchive({ layer, target: `${work}.tar.gz`, tag: `shop/${word}:1`, command });
    await rm(layer);
    await rm(work, { recursive: true });
  }
}
