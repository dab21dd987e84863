import { describe, expect, test } from "vitest";
import { aptSimulationFacts } from "../../../src/facts/packages/apt-simulation.ts";
import { diskFacts } from "../../../src/facts/files/disk.ts";
import { engineFacts } from "../../../src/facts/containers/engine.ts";
import { Facts } from "../../../src/facts/fact.ts";
import type { FactSource } from "../../../src/facts/fact.ts";
import { listenerFacts, listenersSubject } from "../../../src/facts/system/listeners.ts";
import type { Listener } from "../../../src/facts/system/listeners.ts";
import { packetRulesFacts, packetRulesSubject } from "../../../src/facts/system/packet-rules.ts";
import type { PacketRules } from "../../../src/facts/system/packet-rules.ts";
import { packageFacts } from "../../../src/facts/packages/package.ts";
import { rivalFirewallFacts } from "../../../src/facts/system/rival-firewall.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { findUndeclaredPorts, listPortsToTry } from "../../../src/plan/exposure.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { findObstacles, listPathNeeds } from "../../../src/plan/preconditions.ts";
import { block } from "../../../src/resources/files/block.ts";
import { directory } from "../../../src/resources/files/directory.ts";
import { diskFolders } from "../../../src/plan/room.ts";
import { file } from "../../../src/resources/files/file.ts";
import { nftablesTable } from "../../../src/resources/system/nftables.ts";
import type { Resource } from "../../../src/resources/resource.ts";

const { manifest } = parseManifest(
  `stack: t
hosts: { h: 192.0.2.1 }
web: { page: { image: "example.org/page@sha256:${"0".repeat(64)}", port: 8000 } }
proxy: { email: a@example.org, sites: { page.example.org: { routes: { "/*": page } } } }
`,
  "hostkit.yaml",
);
if (manifest === undefined) throw new Error("the manifest of this test is wrong");

const listener = (part: Partial<Listener>): Listener => ({
  protocol: "tcp",
  address: "0.0.0.0",
  port: 80,
  program: "nginx",
  pid: 7,
  ...part,
});

function obstacles(
  resources: readonly Resource[],
  freeMib: number,
  listeners: readonly Listener[] = [],
  rivals: Readonly<Record<string, true>> = {},
  rules?: PacketRules,
  {
    usrMib,
    files,
    more = [],
    of = manifest!,
  }: {
    usrMib?: number;
    files?: number;
    more?: readonly (readonly [FactSource<unknown>, Readonly<Record<string, unknown>>])[];
    of?: NonNullable<typeof manifest>;
  } = {},
) {
  const facts = Facts.of(
    [
      diskFacts,
      Object.fromEntries(
        diskFolders.map((folder) => [
          folder,
          folder === "/usr" && usrMib !== undefined
            ? { free: usrMib * 1024, mount: "/usr" }
            : { free: freeMib * 1024, mount: "/", files: files ?? 1_000_000 },
        ]),
      ),
    ],
    ...more,
    [listenerFacts, { [listenersSubject]: listeners }],
    [rivalFirewallFacts, rivals],
    [packetRulesFacts, rules === undefined ? {} : { [packetRulesSubject]: rules }],
  );
  const plan = makePlan({
    host: "h",
    stack: "t",
    stackDirectory: "/var/lib/hostkit/t",
    resources,
    facts,
  });
  return findObstacles(of, plan, facts).map((error) => [error.code, error.parts.what]);
}

const apt = {
  kind: "packages",
  name: "apt",
  packages: ["caddy"],
  dataPackages: [],
  pins: {},
  stackDirectory: "/var/lib/hostkit/t",
} as Resource;
const big = file("/srv/image.tar", {
  blob: { path: "/x", sha256: "00", size: 1024 ** 3, type: "file" },
});

const dpkg = { dpkg: { version: "1.22", status: "ii" } };

describe("obstacles before a run", () => {
  test.each([
    ["packages need room", [apt], 400, "400 MiB are free under /var, about 465 MiB are needed"],
    [
      "an upload stands three times on the disk",
      [big],
      3000,
      "2.9 GiB are free under /var/lib/hostkit, about 3.1 GiB are needed",
    ],
    [
      "a nearly full disk stops anything",
      [file("/a", "")],
      100,
      "100 MiB are free under /var, about 129 MiB are needed",
    ],
  ])("%s", (_name, resources, free, what) => {
    expect(obstacles(resources, free)).toEqual([["disk_full", what]]);
  });

  test("each file system is looked at for what goes there; files that can still be made count too", () => {
    expect(obstacles([apt], 20_000, [], {}, undefined, { usrMib: 40 })).toEqual([
      ["disk_full", "40 MiB are free under /usr, about 66 MiB are needed"],
    ]);
    expect(obstacles([apt], 20_000, [], {}, undefined, { usrMib: 80 })).toEqual([]);
    expect(obstacles([apt], 20_000, [], {}, undefined, { files: 900 })).toEqual([
      ["disk_full", "900 files can still be made under /var (inodes), about 17100 are needed"],
    ]);
  });

  const simulation = {
    state: "known",
    hasDistribution: true,
    removes: [],
    changesHeld: [],
    unknown: [],
    refusal: [],
  };
  test.each([
    [{ removes: ["theirs"] }, ["apt would remove theirs to install caddy"]],
    [{ changesHeld: ["libc6"] }, ["apt would have to change what is on hold: libc6"]],
    [
      { unknown: ["caddy"], refusal: ["Unable to locate package caddy"] },
      ["no source of apt on the host has the package caddy"],
    ],
    [
      { unknown: ["caddy"], refusal: ["Unable to locate package caddy"], hasDistribution: false },
      [],
    ],
    [
      { refusal: ["caddy : Depends: x but it is not installable", "Unable to correct problems"] },
      ["apt would not install caddy: caddy : Depends: x but it is not installable"],
    ],
    [{ refusal: ["Version '9' for 'caddy' was not found"] }, []],
    [{ state: "broken", refusal: ["Unmet dependencies"] }, []],
    [
      { installed: 100 * 1024 * 1024 },
      ["19.5 GiB are free under /usr, about 110.4 GiB are needed"],
    ],
  ])("what apt would say is said before: %j", (said, what) => {
    const more = [[aptSimulationFacts, { caddy: { ...simulation, ...said } }]] as never;
    expect(obstacles([apt], 20_000, [], {}, undefined, { more }).map(([, words]) => words)).toEqual(
      what,
    );
  });

  test("a package on hold in another version than the pinned one is refused", () => {
    const pinned = { ...apt, pins: { caddy: "3" } } as Resource;
    const more = [[packageFacts, { ...dpkg, caddy: { version: "2", status: "hi" } }]] as never;
    expect(obstacles([pinned], 20_000, [], {}, undefined, { more })).toEqual([
      ["packages_blocked", "caddy is on hold, and the manifest wants another version of it"],
    ]);
  });

  test("a dpkg that does not know itself has lost its list: nothing is told of what is installed", () => {
    const more = [
      [packageFacts, {}],
      [aptSimulationFacts, { caddy: { ...simulation, removes: ["theirs"] } }],
    ] as never;
    expect(obstacles([apt], 20_000, [], {}, undefined, { more })).toEqual([
      [
        "packages_blocked",
        "dpkg cannot read its list of packages, /var/lib/dpkg/status: what is installed cannot be told",
      ],
    ]);
  });

  const containers = manifest;
  const ce = (version: string) => ({ "docker-ce": { version, status: "ii" } });
  test.each([
    [
      ce("5:27.3.1-1~debian.13~trixie"),
      { daemon: "/usr/bin/dockerd", client: "/usr/bin/docker", packages: ["docker-ce"] },
      [],
    ],
    [
      ce("5:19.03.15~3-0~debian-buster"),
      { daemon: "/usr/bin/dockerd", client: "/usr/bin/docker", packages: [] },
      [
        "docker-ce 19.03.15~3-0~debian-buster is too old: hostkit needs Docker Engine 20.10 or newer",
      ],
    ],
    [
      ce("5:27.3.1"),
      { daemon: "", client: "", packages: [] },
      ["docker-ce is installed, but there is no dockerd on the host"],
    ],
    [
      {},
      { daemon: "/usr/local/bin/dockerd", client: "", packages: [] },
      ["there is a Docker that no package brought: /usr/local/bin/dockerd"],
    ],
    [
      { "podman-docker": { version: "4", status: "ii" } },
      { daemon: "", client: "/usr/bin/docker", packages: ["podman-docker"] },
      ["podman-docker is installed: its `docker` is podman's, and Docker Engine conflicts with it"],
    ],
    [{}, { daemon: "", client: "", packages: [] }, []],
    // apt was cut off as it unpacked it.
    [
      { "docker.io": { version: "20", status: "iHR" } },
      { daemon: "/usr/sbin/dockerd", client: "", packages: [] },
      [],
    ],
  ])("a Docker that is there is used, or refused by name: %j", (packages, engine, what) => {
    const more = [
      [packageFacts, { ...dpkg, ...packages }],
      [engineFacts, { docker: engine }],
    ] as never;
    const seen = obstacles([file("/a", "")], 20_000, [], {}, undefined, { more, of: containers });
    expect(seen.map(([, words]) => words)).toEqual(what);
  });

  test("with room there is none, and a host with nothing to do is never in the way", () => {
    expect(obstacles([apt, big], 20_000)).toEqual([]);
    expect(obstacles([], 1, [listener({})])).toEqual([]);
  });

  test("who holds port 80 or 443 is named once; Caddy itself may", () => {
    const seen = obstacles([file("/a", "")], 9000, [
      listener({}),
      listener({ address: "[::]" }),
      listener({ port: 443, program: "caddy" }),
      listener({ port: 80, protocol: "udp" }),
    ]);
    expect(seen).toEqual([["port_taken", "port 80 is taken by nginx (process 7)"]]);
  });

  test("a published port that is taken is in the way as well", () => {
    const { manifest: publishing } = parseManifest(
      `stack: t
hosts: { h: 192.0.2.1 }
services: { mail: { image: "example.org/mail@sha256:${"0".repeat(64)}", ports: ["25"] } }
`,
      "hostkit.yaml",
    );
    const exim = listener({ port: 25, address: "127.0.0.1", program: "exim4", pid: 9 });
    const seen = obstacles([file("/a", "")], 9000, [exim], {}, undefined, { of: publishing! });
    expect(seen).toEqual([["port_taken", "port 25 is taken by exim4 (process 9)"]]);
  });

  test("another firewall is in the way of rules that are to be loaded, of nothing else", () => {
    const rules = nftablesTable(
      "inet hostkit",
      "/etc/hostkit/firewall.nft",
      { rules: "", closing: "", part: { path: "/etc/hostkit/t/open.nft", rules: "" } },
      "/var/lib/hostkit/t",
    );
    expect(obstacles([rules], 9000, [], { ufw: true })).toEqual([
      ["firewall_taken", "ufw is switched on"],
    ]);
    expect(obstacles([file("/a", "")], 9000, [], { ufw: true })).toEqual([]);
  });

  test("rules of others that shut the sites are in the way of every change, whatever it is", () => {
    const text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";
    const rules: PacketRules = {
      interfaces: ["eth0"],
      addresses: ["192.0.2.1"],
      nft: [],
      iptables: [{ origin: "iptables", text }],
      flushesAll: true,
    };
    expect(obstacles([file("/a", "")], 9000, [], {}, rules)).toEqual([
      ["firewall_taken", "other rules on the host shut what the manifest opens: 443/tcp"],
      [
        "firewall_taken",
        "nftables.service is enabled, and /etc/nftables.conf begins by flushing every table",
      ],
    ]);
    expect(obstacles([], 9000, [], {}, rules)).toEqual([]);
  });
});

describe("what answers from outside", () => {
  test("loopback and the ssh port are not tried", () => {
    const listeners = [
      listener({ port: 22 }),
      listener({ port: 5432, address: "127.0.0.1" }),
      listener({ port: 5432, address: "[::1]" }),
      listener({ port: 8080, address: "*" }),
      listener({ port: 80 }),
      listener({ port: 80, address: "[::]" }),
      listener({ port: 53, protocol: "udp" }),
    ];
    expect(listPortsToTry(listeners, 22)).toEqual([80, 8080]);
  });

  test("only what no rule allows is a difference; without a firewall nothing is promised", () => {
    expect(findUndeclaredPorts(manifest?.firewall, [80, 443, 8080])).toEqual([8080]);
    expect(findUndeclaredPorts(undefined, [8080])).toEqual([]);
  });
});

test("what a plan writes and reads is asked about, with a slash where the last link would be followed too", () => {
  const plan = makePlan({
    host: "h",
    stack: "t",
    stackDirectory: "/var/lib/hostkit/t",
    resources: [
      file("/etc/a b", "x"),
      block("/etc/c/pg_hba.conf", "t", "host\n"),
      directory("/srv/d", { owner: "ann" }),
    ],
    facts: new Facts(new Map()),
  });
  expect(listPathNeeds(plan).map(({ subject }) => subject)).toEqual([
    "/etc/a b",
    "/etc/c/pg_hba.conf/",
    "/srv/d/",
  ]);
});
