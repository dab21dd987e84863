import { beforeAll, describe, expect, test } from "vitest";
import type { System } from "../../../../src/facts/system/system.ts";
import { readTemplates } from "../../../../src/local/templates.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import { orderResources } from "../../../../src/plan/order.ts";
import type { FileResource } from "../../../../src/resources/files/file.ts";
import { idOf } from "../../../../src/resources/resource.ts";
import type { Resource } from "../../../../src/resources/resource.ts";
import { expectedSettings } from "../../../../src/resources/system/sshd.ts";
import type { SshdResource } from "../../../../src/resources/system/sshd.ts";
import type { SysctlResource } from "../../../../src/resources/system/sysctl.ts";
import { sshAlgorithmsOf, updateOriginsOf } from "../../../../src/stack/host/host-settings.ts";
import { resolveHost } from "../../../../src/stack/host/host.ts";
import type { StackInputs } from "../../../../src/stack/inputs.ts";

const trixie: System = { distribution: "debian", version: "13", architecture: "amd64" };
const bookworm: System = { ...trixie, version: "12" };
let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

function inputsOf(host: string, system = trixie): StackInputs {
  const text = `stack: dx\nhosts: { h: { address: h.example.org } }\nhost: ${host}\n`;
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  const none = new Map<string, never>();
  return {
    manifest,
    host: "h",
    system,
    hostname: "h",
    templates,
    blobs: none,
    texts: none,
    secrets: none,
    isLab: false,
  };
}

function find(resources: readonly Resource[], id: string): Resource | undefined {
  return resources.find((resource) => idOf(resource) === id);
}

function textOf(resource: Resource | undefined): string {
  const { content } = resource as FileResource;
  if (!("text" in content)) throw new Error("no text");
  return content.text;
}

describe("resolveHost", () => {
  test("the defaults leave name, zone and swap alone", () => {
    const { resources } = resolveHost(inputsOf("{}"));
    for (const kind of ["hostname", "timezone", "swap"]) {
      expect(
        resources.map((resource) => resource.kind),
        kind,
      ).not.toContain(kind);
    }
    expect(find(resources, "time-sync:host")).toBeDefined();
  });

  test("resources name nothing that is not there, but the packages", () => {
    const { resources } = resolveHost(
      inputsOf("{ timezone: UTC, hostname: a.example.org, swap: 1G }"),
    );
    const packages: Resource = { kind: "packages", name: "apt" };
    expect(orderResources([packages, ...resources])).toHaveLength(resources.length + 1);
  });

  test("no passwords over SSH, and bastions and many sessions still work", () => {
    const { resources } = resolveHost(inputsOf("{}"));
    const drop = find(resources, "sshd:/etc/ssh/sshd_config.d/10-hostkit.conf") as SshdResource;
    const settings = expectedSettings(drop.text);
    expect(settings.get("passwordauthentication")).toBe("no");
    expect(settings.get("kbdinteractiveauthentication")).toBe("no");
    expect(settings.get("permitrootlogin")).toBe("without-password");
    expect(settings.get("allowtcpforwarding")).toBe("local");
    expect(settings.has("maxsessions")).toBe(false);
    expect(settings.has("port")).toBe(false);
    expect(settings.has("hostkey"), "host keys stay as they are").toBe(false);
  });

  test("ssh.harden: false leaves sshd alone", () => {
    const { resources } = resolveHost(inputsOf("{ ssh: { harden: false } }"));
    expect(resources.map((resource) => resource.kind)).not.toContain("sshd");
  });

  test("the manifest's kernel settings win over ours", () => {
    const { resources } = resolveHost(
      inputsOf('{ sysctl: { net.ipv4.tcp_syncookies: 0, "vm.swappiness": 10 } }'),
    );
    const { values } = find(resources, "sysctl:/etc/sysctl.d/60-hostkit.conf") as SysctlResource;
    expect(values).toMatchObject({ "net.ipv4.tcp_syncookies": "0", "vm.swappiness": "10" });
    expect(Object.keys(values)).toEqual([...Object.keys(values)].sort());
  });

  test.each([
    ["none", 0, false],
    ["security", 1, true],
    ["all", 1, true],
  ])("updates: %s", (updates, unattended, isInstalled) => {
    const { packages, resources } = resolveHost(inputsOf(`{ updates: ${updates} }`));
    const text = textOf(find(resources, "file:/etc/apt/apt.conf.d/52hostkit"));
    expect(text).toContain(`APT::Periodic::Unattended-Upgrade "${unattended}";`);
    expect(packages.includes("unattended-upgrades")).toBe(isInstalled);
    expect(text.includes("codename=${distro_codename},label=Debian")).toBe(updates === "all");
  });

  test("the host finds its own full and short name", () => {
    const { resources } = resolveHost(inputsOf("{ hostname: dx1.example.org }"));
    const hosts = resources.find(
      (resource) => resource.kind === "block" && resource.name.startsWith("/etc/hosts"),
    );
    expect(hosts).toMatchObject({ text: "127.0.1.1 dx1.example.org dx1\n", position: "top" });
    expect(find(resources, "hostname:host")?.after).toEqual([idOf(hosts!)]);
  });
});

describe("sshAlgorithmsOf", () => {
  test("an OpenSSH that does not know an algorithm is not told about it", () => {
    const newest = ["mlkem768x25519-sha256", "sntrup761x25519-sha512"];
    expect(sshAlgorithmsOf(trixie).kex).toEqual(expect.arrayContaining(newest));
    for (const old of [
      bookworm,
      { ...trixie, distribution: "ubuntu", version: "22.04" },
      { ...trixie, distribution: "ubuntu", version: "24.04" },
    ]) {
      expect(sshAlgorithmsOf(old).kex.filter((name) => newest.includes(name))).toEqual([]);
    }
  });

  test("clients without post-quantum key exchange, and those that know only the RSA host key, still get in", () => {
    for (const system of [trixie, bookworm]) {
      expect(sshAlgorithmsOf(system).kex).toContain("curve25519-sha256");
      expect(sshAlgorithmsOf(system).hostKeys).toEqual(
        expect.arrayContaining(["ssh-ed25519", "rsa-sha2-512"]),
      );
    }
  });

  test("nothing with SHA-1, NIST curves, CBC or MAC-then-encrypt", () => {
    const all = Object.values(sshAlgorithmsOf(trixie)).flat() as string[];
    expect(all.filter((name) => /sha1|nistp|cbc|^ssh-rsa|group-exchange/.test(name))).toEqual([]);
    expect(sshAlgorithmsOf(trixie).macs.every((name) => name.includes("-etm@"))).toBe(true);
  });
});

test("Ubuntu's updates come from Ubuntu's archives", () => {
  const ubuntu = { ...trixie, distribution: "ubuntu", version: "24.04" };
  expect(updateOriginsOf(ubuntu, "security")).toContain(
    "origin=Ubuntu,archive=${distro_codename}-security,label=Ubuntu",
  );
  expect(updateOriginsOf(ubuntu, "all")).toContain(
    "origin=Ubuntu,archive=${distro_codename}-updates,label=Ubuntu",
  );
});
