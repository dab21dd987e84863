import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { labSystemNames, labSystems } from "../../src/lab/systems.ts";
import {
  downAll,
  downLabHost,
  findLabHost,
  listLabHosts,
  powerOffLabHost,
  powerOnLabHost,
  setCable,
  upLabHost,
} from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { rebootLabHost, runOnLabHost } from "../../src/lab/login.ts";
import { labPaths } from "../../src/lab/paths.ts";
import { cutPower, kernelNames, leaderPid } from "../../src/lab/power.ts";

// A lab of its own, so that these tests can count what is left without other people's hosts in the way.
const root = await mkdtemp(path.join(tmpdir(), "hostkit-lab-test-"));
const paths = labPaths({ ...process.env, HOSTKIT_LAB_DIR: path.join(root, "state") });

afterAll(async () => {
  await downAll(paths);
  await rm(root, { recursive: true, force: true });
});

async function output(host: LabHost, command: string, options = {}): Promise<string> {
  const result = await runOnLabHost(host, command, options);
  expect(result.exitCode, `${command}: ${result.stderr}`).toBe(0);
  return result.stdout.trim();
}

/** Every name this lab has on the machine: processes, namespaces, mounts, interfaces, rules, control groups, files. */
async function traces(): Promise<string[]> {
  const commands = [
    ["ip", "netns", "list"],
    ["ip", "-brief", "link"],
    ["nft", "list", "tables"],
    ["ps", "-eo", "args"],
    ["find", "/sys/fs/cgroup", "/run/systemd/nspawn", "-maxdepth", "4"],
  ] as const;
  const found: string[] = [];
  for (const [file, ...args] of commands) {
    const { stdout } = await execa(file, args, { reject: false });
    found.push(...(stdout ?? "").split("\n"));
  }
  found.push(...(await readFile("/proc/self/mounts", "utf8")).split("\n"));
  const veths = ["one", "two", "half"].map((name) => kernelNames(paths, name).veth);
  const names = [paths.id, paths.state, ...veths];
  return found.filter((line) => names.some((name) => line.includes(name)));
}

describe.each(labSystemNames)("a lab host with %s", (os) => {
  let host: LabHost;

  test("comes up as a bare Debian with its own identity", async () => {
    host = await upLabHost({ name: "one", os, paths });
    const release = await output(host, ". /etc/os-release && echo $ID-$VERSION_ID");
    expect(release).toBe(os);
    expect(await output(host, "cat /proc/1/comm; hostname; hostname -f")).toBe("systemd\none\none");
    expect(await output(host, "systemctl --failed --no-legend")).toBe("");
    expect(await output(host, "cat /etc/machine-id")).toMatch(/^[0-9a-f]{32}$/);
    expect(await output(host, "ip -brief address show host0")).toContain(
      `${host.address}/24 ${host.address6}/64`,
    );
    expect(await output(host, "cat /proc/sys/net/ipv4/ip_forward")).toBe("0");
    expect((await runOnLabHost(host, "command -v python3")).exitCode).not.toBe(0);
    expect(await output(host, "ls /var/lib/apt/lists | grep -c _Packages || true")).toBe("0");
  });

  test("is the same host when it is asked for again", async () => {
    const again = await upLabHost({ name: "one", os, paths });
    expect(again).toEqual(host);
    expect((await listLabHosts(paths)).map(({ name, state }) => [name, state])).toEqual([
      ["one", "running"],
    ]);
  });

  test("has users with and without a sudo password", async () => {
    expect(await output(host, "id -un; sudo -n id -un", { user: "ops" })).toBe("ops\nroot");
    expect((await runOnLabHost(host, "sudo -n id -un", { user: "deploy" })).exitCode).not.toBe(0);
    expect(await output(host, "sudo -S id -un", { user: "deploy", input: "deploy\n" })).toBe(
      "root",
    );
  });

  test("installs packages", async () => {
    await output(
      host,
      "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends nftables",
    );
    const sources = await output(host, "apt-get indextargets --format '$(SUITE)' | sort -u");
    const { codename } = labSystems[os];
    const plain = await output(
      host,
      "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true",
    );
    for (const suite of [codename, `${codename}-updates`, `${codename}-security`])
      expect(plain).toContain(suite);
    expect(sources).not.toBe("");
  });

  test("reboots: new boot, fresh network, same address and disk", async () => {
    const bootId = await output(host, "cat /proc/sys/kernel/random/boot_id");
    await output(
      host,
      "echo kept > /root/file; nft add table inet mine; ip link add leftover type bridge",
    );
    await rebootLabHost(host);
    expect(await output(host, "cat /proc/sys/kernel/random/boot_id")).not.toBe(bootId);
    expect(
      await output(host, "cat /root/file; nft list tables; ip -brief link show type bridge"),
    ).toBe("kept");
  });

  test("loses its power and gets it back", async () => {
    const pid = await leaderPid(paths, "one");
    expect(pid).toBeGreaterThan(1);
    await output(host, "echo before > /root/power");
    await powerOffLabHost("one", paths);
    expect((await listLabHosts(paths)).map(({ state }) => state)).toEqual(["off"]);
    // Gone, or dead and not yet collected by this machine's PID 1.
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).toBe("");
    await powerOnLabHost("one", paths);
    expect(await output(host, "cat /root/power")).toBe("before");
  });

  test("is down without a trace; once more is no error", async () => {
    await downLabHost("one", paths);
    expect(await traces()).toEqual([]);
    expect(await readdir(root)).toEqual([]);
    await downLabHost("one", paths);
  });
});

describe("several lab hosts", () => {
  test("come up at once, each with its own address and keys, and reach each other", async () => {
    const [one, two] = await Promise.all([
      upLabHost({ name: "one", paths }),
      upLabHost({ name: "two", os: "debian-12", paths }),
    ]);
    expect(one.address).not.toBe(two.address);
    expect(one.hostKey).not.toBe(two.hostKey);
    expect(await output(one, `exec 3<>/dev/tcp/${two.address}/22; head -c 7 <&3`)).toBe("SSH-2.0");
    expect(await output(two, `exec 3<>/dev/tcp/${one.address6}/22; head -c 7 <&3`)).toBe("SSH-2.0");
    const wrongKey = await runOnLabHost({ ...one, keyPath: two.keyPath }, "true");
    expect(wrongKey.exitCode).toBe(255);
    const wrongHost = await runOnLabHost({ ...one, knownHostsPath: two.knownHostsPath }, "true");
    expect(wrongHost.stderr).toContain("Host key verification failed");
  });

  test("a host without its cable is out of reach and alive", async () => {
    const one = await findLabHost("one", paths);
    if (one === undefined) throw new Error("the host of the test before is gone");
    await setCable("one", false, paths);
    expect((await runOnLabHost(one, "true")).exitCode).toBe(255);
    await setCable("one", true, paths);
    expect(await output(one, "echo back")).toBe("back");
  });

  test("one goes, the other stays", async () => {
    await downLabHost("one", paths);
    const two = await findLabHost("two", paths);
    if (two === undefined) throw new Error("host two is gone too");
    expect(await output(two, "echo here")).toBe("here");
    await downAll(paths);
    expect(await traces()).toEqual([]);
  });

  test("a half-made host is removed too", async () => {
    const half = await upLabHost({ name: "half", paths });
    await cutPower(paths, "half");
    await rm(path.join(half.folder, "host.json"));
    await rm(path.join(half.folder, "cgroup"));
    expect(await listLabHosts(paths)).toEqual([]);
    await downAll(paths);
    expect(await traces()).toEqual([]);
    expect(await readdir(root)).toEqual([]);
  });
});
