// What is compared: one function for each tool that does one run and checks that it did what it should.
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { parseDocument } from "yaml";
import { copyFolder } from "./hosts.mjs";
import { run } from "./measure.mjs";

const here = (name) => new URL(name, import.meta.url).pathname;
const cli = new URL("../../dist/cli.js", import.meta.url).pathname;

/** OpenSSH's client with the benchmark's key; `inside` is the path of the key in the peers' controller. */
const sshOptions = [
  ...[
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
  ],
  ...["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"],
];

export function sshWords(key, address) {
  return ["ssh", "-F", "none", "-i", key, ...sshOptions, `root@${address}`];
}

/** A folder with the stack: .deb built, busybox in the images, hosts in the manifest. */
export class HostkitProject {
  constructor(folder, { key, busybox }) {
    this.folder = folder;
    this.key = key;
    this.busybox = busybox;
    this.hosts = [];
  }

  async make() {
    await copyFolder(here("stack"), this.folder);
    const deb = path.join(this.folder, "deb");
    await chmod(path.join(deb, "DEBIAN/postinst"), 0o755);
    await chmod(path.join(deb, "opt/hybrid/bin/scraper"), 0o755);
    await chmod(path.join(deb, "etc/sudoers.d/60-hybrid"), 0o440);
    await mkdir(path.join(this.folder, "dist"));
    await execa(
      "dpkg-deb",
      ["--root-owner-group", "--build", deb, path.join(this.folder, "dist/hybrid-scraper.deb")],
      {
        env: { SOURCE_DATE_EPOCH: "1735689600" },
      },
    );
    for (const image of ["api", "dashboard"]) {
      await mkdir(path.join(this.folder, image, "bin"));
      await cp(this.busybox, path.join(this.folder, image, "bin/busybox"));
    }
    return this;
  }

  /** @param hosts name → { address, hostKey, port? } */
  async setHosts(hosts) {
    this.hosts = Object.keys(hosts);
    await this.edit(
      ["hosts"],
      mapValues(hosts, ({ address, hostKey, port = 22 }) => {
        return { address, user: "root", port, identity: this.key, host_key: hostKey };
      }),
    );
  }

  async edit(where, value) {
    const file = path.join(this.folder, "hostkit.yaml");
    const document = parseDocument(await readFile(file, "utf8"));
    // No YAML aliases for what is used twice: hostkit refuses many of them.
    document.setIn(where, document.createNode(value, { aliasDuplicateObjects: false }));
    await writeFile(file, document.toString({ lineWidth: 0 }));
  }

  async hostkit(words, options = {}) {
    const state = path.join(this.folder, ".state");
    const env = {
      PATH: process.env.PATH,
      HOME: state,
      XDG_STATE_HOME: state,
      XDG_CACHE_HOME: path.join(state, "cache"),
      LANG: "C.UTF-8",
    };
    return run([process.execPath, cli, ...words], {
      cwd: this.folder,
      ...options,
      env: { ...env, ...options.env },
    });
  }

  /** Provisions; `expect` says what must come out: "changes", "nothing", or anything. */
  async provision(expect) {
    const sample = await this.hostkit(["provision", "--yes"]);
    const nothing = sample.text.includes("nothing to change");
    if (expect === "nothing" && !nothing)
      throw new Error(`hostkit changed something:\n${sample.text}`);
    if (expect === "changes" && nothing)
      throw new Error(`hostkit changed nothing:\n${sample.text}`);
    return sample;
  }

  /** Until two runs in a row are the same: a clone has its own name and keys. */
  async settle() {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { text } = await this.provision();
      if (text.includes("nothing to change")) return;
    }
    throw new Error("hostkit finds something to change at each run");
  }

  async plan() {
    return this.hostkit(["plan"]);
  }
}

/** Ansible, with and without mitogen, and bundlewrap, under the peers' controller. */
export class Peers {
  constructor(controller, shared) {
    this.controller = controller;
    this.shared = shared;
  }

  async make({ busybox }) {
    const folder = path.join(this.shared, "peers");
    await copyFolder(here("peers"), folder);
    const image = path.join(this.shared, "image");
    await mkdir(path.join(image, "bin"), { recursive: true });
    for (const name of ["www", "tmp", "etc"])
      await mkdir(path.join(image, name), { recursive: true });
    await cp(busybox, path.join(image, "bin/busybox"));
    await writeFile(path.join(image, "etc/passwd"), "webapp:x:10002:10000::/:/bin/sh\n");
    const plain = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
    await execa("tar", ["-C", image, ...plain, "-cf", path.join(folder, "files/web.tar"), "."]);
    return this;
  }

  async #dropMasters() {
    const line = `for s in /root/.ansible/cp/* /tmp/bw-*; do [ -S "$s" ] && ssh -o ControlPath="$s" -O exit x 2>/dev/null; done; :`;
    await this.controller.exec(["sh", "-c", line]);
  }

  /** @param how "ansible" | "ansible-mitogen" @param expect "nothing" | "changes" | undefined */
  async ansible(how, addresses, { words = [], expect } = {}) {
    const inventory = addresses.map(
      (at) => `${at} ansible_user=root ansible_ssh_private_key_file=/bench/key`,
    );
    await writeFile(path.join(this.shared, "inventory"), `[hybrid]\n${inventory.join("\n")}\n`);
    await this.#dropMasters();
    const sample = await this.controller.exec(
      ["ansible-playbook", "-i", "/bench/inventory", "site.yml", ...words],
      {
        cwd: "/bench/peers",
        env: { ANSIBLE_CONFIG: `/bench/peers/${how}.cfg`, ANSIBLE_NOCOLOR: "1" },
      },
    );
    const recap = [
      ...sample.text.matchAll(/ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)/g),
    ];
    const changed = recap.reduce((sum, [, count]) => sum + Number(count), 0);
    if (recap.length !== addresses.length)
      throw new Error(`${how} did not reach all hosts:\n${sample.text}`);
    if (expect !== undefined && changed > 0 !== (expect === "changes")) {
      throw new Error(
        `${how} made ${changed} changes:\n${sample.text
          .split("\n")
          .filter((line) => /^(TASK|changed)/.test(line))
          .join("\n")}`,
      );
    }
    return sample;
  }

  /** @param verb "apply" | "verify" */
  async bundlewrap(verb, addresses, { interval = 30, expect } = {}) {
    await this.#dropMasters();
    const mux = [
      "-o",
      "ControlMaster=auto",
      "-o",
      "ControlPath=/tmp/bw-%h",
      "-o",
      "ControlPersist=60",
    ];
    const sample = await this.controller.exec(["bw", verb, "bundle:hybrid"], {
      cwd: "/bench/peers/bundlewrap",
      env: {
        BW_HOSTS: addresses.join(","),
        BW_SSH_ARGS: ["-i", "/bench/key", ...sshOptions, ...mux].join(" "),
        BW_ADD_HOST_KEYS: "1",
        BW_TABLE_STYLE: "grep",
        BW_NODE_WORKERS: String(Math.max(4, addresses.length)),
        INTERVAL: String(interval),
      },
    });
    const changed = (sample.text.match(/\bfixed\b/g) ?? []).length;
    this.lastText = sample.text;
    if (expect === "changes" && changed === 0)
      throw new Error(`bundlewrap changed nothing:\n${sample.text}`);
    return sample;
  }
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
