import { describe, expect, test } from "vitest";
import { aptSimulationFacts } from "../../../../src/facts/packages/apt-simulation.ts";
import { Facts } from "../../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../../src/facts/files/file.ts";
import { hashSecret } from "../../../../src/facts/files/hash.ts";
import { secretFileFacts } from "../../../../src/facts/files/secret-file.ts";
import { pastRunFacts } from "../../../../src/facts/past-runs.ts";
import type { PastChange } from "../../../../src/facts/past-runs.ts";
import { listenerFacts } from "../../../../src/facts/system/listeners.ts";
import { claimsPath, renderClaims } from "../../../../src/facts/neighbours.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import { makePlanPage } from "../../../../src/plan/page/page.ts";
import type { PlanPage } from "../../../../src/plan/page/page.ts";
import { nouns } from "../../../../src/plan/page/words.ts";
import type { Plan, PlannedChange } from "../../../../src/plan/types.ts";
import { claimsOf } from "../../../../src/resources/claims.ts";
import { image } from "../../../../src/resources/containers/image.ts";
import { answersOf, kindNames } from "../../../../src/resources/kinds.ts";
import { allAtOnceNote } from "../../../../src/resources/containers/exchange.ts";
import { reloadNote, restartNote } from "../../../../src/resources/proxy/caddy-places.ts";
import { claimOpening, claimSharedPort } from "../../../../src/resources/port-claims.ts";
import { sh } from "../../../../src/shell/script.ts";
import { planDxCluster } from "../../../harness/first-plan.ts";

const stackDirectory = "/var/lib/hostkit/s";
const nothing = new Facts(new Map());

type Parts = Partial<PlannedChange> & Pick<PlannedChange, "id">;

function change(parts: Parts): PlannedChange {
  const [kind = "", name = ""] = parts.id.split(/:(.*)/s);
  return {
    ...answersOf({ kind, name }),
    ...{ action: "update", because: "content differs", steps: [], waitsFor: [] },
    ...{ beginLines: "", stateLine: "" },
    ...parts,
  };
}

function planOf(changes: readonly Parts[]): Plan {
  return {
    ...{ host: "h", stack: "s", stackDirectory, fingerprint: "f", stateHash: "none" },
    ...{ verb: "provision", state: "", isUnfinished: false },
    changes: changes.map(change),
  };
}

interface Seen {
  readonly yaml?: string;
  readonly facts?: Facts;
  readonly closer?: Facts;
  readonly resources?: Parameters<typeof makePlanPage>[0]["resources"];
}

function pageOf(changes: readonly Parts[], seen: Seen = {}): PlanPage {
  const text = `stack: s\nhosts: { h: { address: h.example.org } }\n${seen.yaml ?? ""}`;
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems));
  const { facts = nothing, closer = nothing, resources = [] } = seen;
  return makePlanPage({ plan: planOf(changes), manifest, resources, facts, closer });
}

const script = (title: string) => ({ type: "script", title, script: sh`:` }) as const;
const web = `
services:
  worker: { package: w.deb }
web:
  api: { build: ./api, port: 8080, pre_deploy: ./migrate }
  board: { build: ./board, port: 8080, stateful: true }
  ledger: { build: ./ledger, port: 8080, stateful: true, replicas: 2, drain: 1m }
  chat: { build: ./chat, port: 8080, drain: 8h }
  hasty: { build: ./hasty, port: 8080, drain: none }
proxy:
  sites:
    www.example.org: { routes: { "/api/*": api, "/*": board } }
    old.example.org: { redirect: https://www.example.org }
`;
const switched = (name: string): Parts => ({
  id: `release:${name}`,
  steps: [
    script("run pre_deploy once in the new image: ./migrate"),
    script("send the traffic to slot b"),
    script("watch s-api-b.service for 15 s"),
    script("drain and stop slot a"),
  ],
});
const past = (...changes: PastChange[]) => Facts.of([pastRunFacts, { [stackDirectory]: changes }]);

describe("what a plan comes to", () => {
  test("new services are shown with what they are made from and where they answer", () => {
    const page = pageOf(
      [
        { id: "unit:s-worker.service", action: "create" },
        { id: "release:api", action: "create" },
        { id: "release:board", action: "update" },
      ],
      { yaml: web },
    );
    expect(page.runs).toEqual([
      { name: "worker", runtime: "native", from: "w.deb", at: [] },
      {
        ...{ name: "api", runtime: "container", from: "./api" },
        at: ["https://www.example.org/api/*"],
      },
    ]);
  });

  test("an image of a registry is shown with its tag and what that means", () => {
    const shown = "ghcr.io/a/b:1@sha256:000000000000…";
    const pulled = {
      ...({ kind: "pull", service: "api", registry: "ghcr.io", architecture: "amd64" } as const),
      shown,
    };
    const page = pageOf([{ id: "release:api", action: "create" }], {
      yaml: 'web: { api: { image: "ghcr.io/a/b:1", port: 80 } }',
      resources: [image("s-api", `ghcr.io/a/b@sha256:${"0".repeat(64)}`, pulled, [])],
    });
    expect(page.runs.map(({ from }) => from)).toEqual([`image ${shown}`]);
  });

  test("packages: what apt says of them, and no more than it says", () => {
    const installs = { id: "packages:apt", installs: ["caddy", "nftables"] } as const;
    expect(pageOf([installs]).installs).toEqual({ packages: ["caddy", "nftables"] });
    const simulation = {
      ...({ state: "known", hasDistribution: true, removes: [], changesHeld: [] } as const),
      ...{ unknown: [], refusal: [], archives: 100, installed: 300, added: 9 },
    };
    const closer = Facts.of([aptSimulationFacts, { "caddy nftables": simulation }]);
    expect(pageOf([installs], { closer }).installs).toEqual({
      ...{ packages: ["caddy", "nftables"], count: 9, archives: 100, installed: 300 },
    });
    expect(pageOf([{ id: "file:/a" }])).not.toHaveProperty("installs");
  });

  test.each<[string, Parts, PlanPage["pauses"]]>([
    [
      "a service that is restarted",
      { id: "unit:s-worker.service", action: "restart" },
      [{ what: "worker", seconds: 2 }],
    ],
    ["a service that does not run", { id: "unit:s-worker.service", action: "update" }, []],
    ["a timer", { id: "unit:s-backup.timer", action: "restart" }, []],
    ["a service that only reads its files", { id: "unit:ssh.service", action: "reload" }, []],
    ["a release beside the old one", switched("api"), []],
    ["a release of a stateful service", switched("board"), [{ what: "board", isPartly: true }]],
    ["replicas of one, exchanged one at a time", switched("ledger"), []],
    [
      "another number of them",
      { ...switched("ledger"), notes: [allAtOnceNote] },
      [{ what: "ledger", isPartly: true }],
    ],
    ["the first release of one", { id: "release:board", action: "create" }, []],
    [
      "a database whose unit changes",
      { id: "postgres-settings:17/main", away: { what: "PostgreSQL 17" } },
      [{ what: "PostgreSQL 17" }],
    ],
    [
      "a proxy that starts with another unit",
      { id: "caddy:/etc/caddy/Caddyfile", notes: [restartNote] },
      [{ what: "Caddy, with all sites" }],
    ],
    ["a proxy that reads its sites", { id: "caddy:/etc/caddy/Caddyfile", notes: [reloadNote] }, []],
  ])("does not answer for a while: %s", (_name, one, expected) => {
    const closer = past({ id: "unit:s-worker.service", action: "restart", seconds: 2 });
    expect(pageOf([one], { yaml: web, closer }).pauses).toEqual(expected);
  });

  const reloaded = "open WebSockets of every site: Caddy is reloaded";
  test("a server that its settings start anew is told once", () => {
    const unit = { id: "unit:postgresql@17-main.service", action: "restart" } as const;
    const settings = { id: "postgres-settings:17/main", away: { what: "PostgreSQL 17" } } as const;
    expect(pageOf([settings, unit]).pauses).toEqual([{ what: "PostgreSQL 17" }]);
    expect(pageOf([unit]).pauses).toEqual([{ what: "postgresql@17-main" }]);
  });

  test("what backups bring back", () => {
    const because = "its data is to be brought back: 20261128-010203F of offsite";
    expect(pageOf([{ id: "restored-cluster:17/main", because }]).restores).toEqual([
      `the databases (${because})`,
    ]);
  });

  test.each<[string, readonly Parts[], string[]]>([
    ["nothing", [{ id: "file:/a" }], []],
    [
      "what an old release still has when its drain is over",
      [switched("api")],
      ["what the old release of api still has open after 30 s"],
    ],
    [
      "hours are fine",
      [switched("chat")],
      ["what the old release of chat still has open after 8 h"],
    ],
    [
      "a release without a drain",
      [switched("hasty")],
      ["what the old release of hasty still has open at once"],
    ],
    ["a stateful one is away anyway", [switched("board")], []],
    [
      "each replica of one has its drain",
      [switched("ledger")],
      ["what the old release of ledger still has open after 1 min"],
    ],
    [
      "a release that has another number of replicas",
      [{ ...switched("api"), notes: [reloadNote] }],
      [reloaded, "what the old release of api still has open after 30 s"],
    ],
    ["other sites", [{ id: "caddy:/etc/caddy/Caddyfile", notes: [reloadNote] }], [reloaded]],
    ["the first sites", [{ id: "caddy:/etc/caddy/Caddyfile", action: "create" }], []],
    [
      "a mended release",
      [{ id: "release:api", action: "restart", steps: [script("start a")] }],
      [],
    ],
  ])("is cut: %s", (_name, changes, expected) => {
    expect(pageOf(changes, { yaml: web }).cuts).toEqual(expected);
  });

  test("what a row says is not said again below its change", () => {
    const changes = [{ id: "release:api", notes: [reloadNote, "another"] }] as const;
    expect(pageOf(changes, { yaml: web }).headings[0]?.changes[0]?.notes).toEqual(["another"]);
  });

  describe("ports", () => {
    const firewall = (action: "create" | "update"): Parts => ({
      id: "nftables:inet hostkit",
      action,
    });
    const tcp = (port: number) => claimOpening({ protocol: "tcp", first: port, last: port });
    const wanted = (...ports: number[]) => [claimsOf(stackDirectory, ports.map(tcp))];
    const written = (...ports: number[]) =>
      Facts.of([textFacts, { [claimsPath(stackDirectory)]: renderClaims(ports.map(tcp)) }]);
    const listening = Facts.of([
      listenerFacts,
      {
        host: [
          ["0.0.0.0", 22, "sshd"],
          ["0.0.0.0", 111, "rpcbind"],
          ["[::]", 111, "rpcbind"],
          ["127.0.0.1", 25, "exim4"],
          ["*", 443, "nginx"],
        ].map(([address, port, program]) => ({
          ...({ protocol: "tcp", address: String(address), port: Number(port) } as const),
          ...{ program: String(program), pid: 1 },
        })),
      },
    ]);
    const allow = "firewall: { allow: [ssh, https, { port: 9100, from: [10.0.0.0/8] }] }";

    test("the first firewall opens what is wanted and closes the rest, which is named", () => {
      const seen = { yaml: allow, resources: wanted(443, 9100), closer: listening };
      expect(pageOf([firewall("create")], seen).openings).toEqual({
        opens: ["443/tcp", "9100/tcp (from 10.0.0.0/8 only)"],
        ...{ closes: ["111/tcp"], isUnguarded: false, isNew: true },
      });
    });

    test("another one only what differs", () => {
      const seen = { yaml: allow, resources: wanted(443, 9100), facts: written(443, 7300) };
      expect(pageOf([firewall("update")], { ...seen, closer: listening }).openings).toEqual({
        opens: ["9100/tcp (from 10.0.0.0/8 only)"],
        ...{ closes: ["7300/tcp"], isUnguarded: false, isNew: false },
      });
    });

    test("a firewall that stays as it is opens nothing", () => {
      const seen = { yaml: allow, resources: wanted(443), facts: written() };
      expect(pageOf([{ id: "file:/a" }], seen).openings).toMatchObject({ opens: [], closes: [] });
    });

    test("without a firewall what is published answers", () => {
      const resources = [claimsOf(stackDirectory, [claimSharedPort("tcp", 443), tcp(1)])];
      expect(pageOf([{ id: "file:/a" }], { yaml: "firewall: none", resources }).openings).toEqual({
        ...{ opens: ["443/tcp"], closes: [], isUnguarded: true, isNew: false },
      });
    });
  });

  test("what is removed is named where somebody would miss it", () => {
    const page = pageOf(
      (["unit:s-worker.service", "file:/a", "file:/b", "user:s-worker"] as const).map((id) => ({
        ...({ id, action: "delete" } as const),
      })),
    );
    expect(page.removes).toEqual(["s-worker.service", "2 files and folders, 1 user"]);
    expect(page.headings.map(({ heading }) => heading)).toEqual(["removed"]);
  });

  test("only a file that is there and not hostkit's is replaced", () => {
    const put = (path: string, preimage?: true) =>
      ({
        ...{
          type: "put" as const,
          path,
          content: { text: "" },
          mode: "0644",
          owner: "root",
          group: "root",
        },
        ...(preimage === undefined ? {} : { preimage }),
      }) as const;
    const fact = { type: "file", mode: "0644", owner: "root", group: "root", size: 1 } as const;
    const facts = Facts.of([fileFacts, { "/a": fact, "/b": fact, "/d": fact }]);
    const page = pageOf(
      [
        { id: "file:/a", steps: [put("/a", true)] },
        { id: "file:/b", steps: [put("/b")] },
        { id: "file:/c", steps: [put("/c", true)] },
        { id: "file:/d", because: "mode is 0644, should be 0600", steps: [put("/d", true)] },
      ],
      { facts },
    );
    expect(page.replaces).toEqual(["/a"]);
  });

  test("what cannot be undone: migrations and hooks, not those that are refused", () => {
    const page = pageOf(
      [
        { id: "postgres-migrations:a", action: "run", because: "not applied: 1_a.sql" },
        {
          id: "postgres-migrations:b",
          action: "run",
          because: "not applied: 1_a.sql (its number is below 9, which was), 2_b.sql",
        },
        { id: "postgres-migrations:c", action: "run", refusal: { what: "edited" } },
        switched("api"),
      ],
      { yaml: web },
    );
    expect(page.final).toEqual([
      "migration of a, 1_a.sql",
      "2 migrations of b, up to 2_b.sql",
      "what pre_deploy of api does",
    ]);
  });

  test("names of variables and of secrets in files, never a value", () => {
    const put = (path: string, secret: string) =>
      ({
        ...{
          type: "put" as const,
          path,
          content: { secret },
          mode: "0600",
          owner: "root",
          group: "root",
        },
      }) as const;
    const hashed = (secret: string) => ({ key: "k", hash: hashSecret("k", secret) });
    const facts = Facts.of([
      secretFileFacts,
      { "/secrets/a/TOKEN": hashed("old"), "/secrets/a/SAME": hashed("same") },
    ]);
    const page = pageOf(
      [
        {
          id: "release:api",
          variables: ["+ LEVEL"],
          insteadOf: {
            "/secrets/b/TOKEN": "/secrets/a/TOKEN",
            "/secrets/b/SAME": "/secrets/a/SAME",
          },
          steps: [
            put("/secrets/b/TOKEN", "sesame"),
            put("/secrets/b/SAME", "same"),
            put("/secrets/b/NEW", "sesame"),
            put("/secrets/b/x.env", "sesame"),
          ],
        },
      ],
      { facts, yaml: web },
    );
    expect(page.headings[0]?.changes[0]?.variables).toEqual([
      "+ LEVEL",
      "~ TOKEN (secret, another value)",
      "+ NEW (secret)",
    ]);
  });
});

describe("how long it takes", () => {
  const long = { id: "release:api", action: "update", seconds: 20 } as const;
  test.each<[string, readonly Parts[], readonly PastChange[], PlanPage["takes"]]>([
    ["nothing is known", [{ id: "image:s-api" }], [], { unknown: ["image:s-api"] }],
    ["only what is quick", [{ id: "file:/a" }], [], { unknown: [] }],
    [
      "the newest counts",
      [{ id: "release:api" }],
      [long, { ...long, seconds: 9 }],
      { seconds: 20, unknown: [] },
    ],
    [
      "a first release says nothing of later ones",
      [{ id: "release:api" }],
      [{ ...long, action: "create" }],
      { unknown: ["release:api"] },
    ],
    [
      "a start says what a restart takes",
      [{ id: "unit:a.service", action: "restart" }],
      [{ id: "unit:a.service", action: "create", seconds: 3 }],
      { seconds: 3, unknown: [] },
    ],
    [
      "a removal is no measure",
      [{ id: "unit:a.service" }],
      [{ id: "unit:a.service", action: "delete", seconds: 3 }],
      { unknown: ["unit:a.service"] },
    ],
    [
      "other packages are other packages",
      [{ id: "packages:apt", action: "create" }],
      [{ id: "packages:apt", action: "create", seconds: 30 }],
      { unknown: ["packages:apt"] },
    ],
    [
      "the watch is known beforehand",
      [switched("api")],
      [],
      { seconds: 15, unknown: ["release:api"] },
    ],
    [
      "what waits comes behind, the rest beside it",
      [{ id: "image:a" }, { id: "image:b" }, { id: "release:api", waitsFor: ["image:b"] }],
      [
        long,
        { id: "image:a", action: "update", seconds: 25 },
        { id: "image:b", action: "update", seconds: 10 },
      ],
      { seconds: 30, unknown: [] },
    ],
    [
      "no more than four at once",
      ["a", "b", "c", "d", "e"].map((name) => ({ id: `image:${name}` as const })),
      ["a", "b", "c", "d", "e"].map((name) => ({
        id: `image:${name}`,
        action: "update",
        seconds: 10,
      })),
      { seconds: 20, unknown: [] },
    ],
  ])("%s", (_name, changes, known, expected) => {
    expect(pageOf(changes, { closer: past(...known), yaml: web }).takes).toEqual(expected);
  });
});

describe("headings", () => {
  test("services in the manifest's order, then what they share; a service's name is no heading of these", () => {
    const yaml = `
services:
  host: { exec: /bin/true }
  worker: { exec: /bin/true }
`;
    const page = pageOf(
      [
        { id: "file:/b" },
        { id: "file:/d", heading: { shared: "database" } },
        { id: "file:/w", heading: { service: "worker" } },
        { id: "file:/h", heading: { service: "host" } },
        { id: "file:/g", heading: { service: "worker" }, action: "delete" },
      ],
      { yaml },
    );
    expect(
      page.headings.map(({ heading, changes }) => [heading, changes.map(({ id }) => id)]),
    ).toEqual([
      ["service host", ["file:/h"]],
      ["worker", ["file:/w"]],
      ["database", ["file:/d"]],
      ["host", ["file:/b"]],
      ["removed", ["file:/g"]],
    ]);
  });

  test("every change of a first provision stands under one heading, that of its service or section", async () => {
    const input = await planDxCluster();
    const { headings } = makePlanPage(input);
    const shown = headings.flatMap(({ changes }) => changes.map(({ id }) => id));
    expect(shown.toSorted()).toEqual(input.plan.changes.map(({ id }) => id).toSorted());
    const idsOf = (name: string) =>
      headings.find(({ heading }) => heading === name)?.changes.map(({ id }) => id);
    expect(idsOf("api")).toEqual(["user:dxcluster-api", "image:dxcluster-api", "release:api"]);
    expect(idsOf("scraper")).toContain("deb:dxcluster-scraper");
    expect(idsOf("proxy")).toContain("caddy:/etc/caddy/Caddyfile");
    expect(idsOf("host"), "both containers want it").toContain("unit:docker.service");
    expect(idsOf("backups")).toContain("backup-repository:postgres");
  });
});

test("a word stands for a kind that there is", () => {
  const others = new Set(["restore-point"]);
  expect(
    Object.keys(nouns).filter((kind) => !kindNames.includes(kind) && !others.has(kind)),
  ).toEqual([]);
});
