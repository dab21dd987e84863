import { describe, expect, test } from "vitest";
import { candidateFacts } from "../../../src/facts/packages/candidate.ts";
import { Facts } from "../../../src/facts/fact.ts";
import type { ClusterFact } from "../../../src/facts/postgres/cluster.ts";
import { clusterFacts } from "../../../src/facts/postgres/postgres.ts";
import type { System } from "../../../src/facts/system/system.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import type { Plan, PlannedChange } from "../../../src/plan/types.ts";
import { answersOf } from "../../../src/resources/kinds.ts";
import { idOf } from "../../../src/resources/resource.ts";
import { findPostgresObstacles, postgresNeeds } from "../../../src/plan/postgres-obstacles.ts";

const system: System = { distribution: "debian", version: "13", architecture: "amd64" };

function manifestOf(database = "", rest = "") {
  const { manifest, problems } = parseManifest(
    `stack: t
hosts: { h: 192.0.2.1 }
database: { databases: { app: { owner: app_owner } }${database} }
services: { worker: { exec: /bin/true, database: app } }
${rest}`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(JSON.stringify(problems));
  return manifest;
}

const change = (kind: string, name: string, parts: Partial<PlannedChange> = {}): PlannedChange => ({
  ...{ id: idOf({ kind, name }), ...answersOf({ kind, name }), because: "", action: "create" },
  ...{ steps: [], waitsFor: [], stateLine: "", beginLines: "" },
  ...parts,
});

function planOf(...changes: PlannedChange[]): Plan {
  return {
    ...{ verb: "provision", host: "h", stack: "t", stackDirectory: "/var/lib/hostkit/t" },
    ...{ fingerprint: "", stateHash: "", state: "", changes },
  } as unknown as Plan;
}

const healthy: ClusterFact = {
  ...{ port: 5432, data: "/var/lib/postgresql/17/main", outside: [], listen: "localhost" },
  ...{ isMade: false, state: "running", sockets: ["/run/postgresql"], isStandby: false },
  ...{ archiveCommand: "", owner: "postgres", start: "auto", words: [], others: [] },
};
const backups =
  "backups: { repositories: { local: { path: /var/backups/hostkit } }, postgres: {} }\n";
const settings = change("postgres-settings", "17/main");

describe("a cluster that is there", () => {
  test.each<[string, Partial<ClusterFact>, string, string | undefined]>([
    ["is well", {}, "", undefined],
    ["is stopped", { state: "down" }, "", undefined],
    ["has more sockets", { sockets: ["/tmp", "/run/postgresql"] }, "", undefined],
    ["has its socket elsewhere", { sockets: ["/tmp"] }, "", "no socket in /run/postgresql"],
    ["follows another", { isStandby: true }, "", "follows another server"],
    ["is somebody's", { state: "down", owner: "joe" }, "", "belongs to the user joe"],
    ["is switched off", { state: "down", start: "disabled" }, "", "start.conf says disabled"],
    ["is broken", { state: "down", words: ["LOG: x"] }, "", "would not start"],
    ["lets nobody in", { state: "refuses", words: ["FATAL: x"] }, "", "does not let hostkit in"],
    ["archives", { archiveCommand: "cp %p /x" }, "", undefined],
    [
      "archives, and is to be backed up",
      { archiveCommand: "cp %p /x" },
      backups,
      "archives its WAL already: cp %p /x",
    ],
    [
      "is another stack's to back up",
      { archiveCommand: "pgbackrest --stanza=a archive-push %p" },
      backups,
      "archives its WAL already",
    ],
    [
      "is this stack's to back up",
      { archiveCommand: "pgbackrest --stanza=t archive-push %p" },
      backups,
      undefined,
    ],
    [
      "is missing beside an older one",
      { state: "missing", others: ["15/main"] },
      "",
      "15/main, and none of version 17",
    ],
    [
      "is missing beside one of another name",
      { state: "missing", others: ["17/old"] },
      "",
      undefined,
    ],
  ])("%s", (_name, part, rest, words) => {
    const input = { manifest: manifestOf("", rest), system, plan: planOf(settings) };
    expect(postgresNeeds(input).map(({ subject }) => subject)).toEqual(["17"]);
    const found = findPostgresObstacles(
      input,
      Facts.of([clusterFacts, { "17": { ...healthy, ...part } }]),
    );
    expect(found.map((error) => error.parts.what)).toEqual(
      words === undefined ? [] : [expect.stringContaining(words)],
    );
    for (const { parts } of found) expect(parts.why).toMatch(/nothing was changed$/);
  });

  test("a version that was written down makes a new cluster beside an older one", () => {
    const input = { manifest: manifestOf(", version: 17"), system, plan: planOf(settings) };
    const facts = Facts.of([
      clusterFacts,
      { "17": { ...healthy, state: "missing", others: ["15/main"] } },
    ]);
    expect(findPostgresObstacles(input, facts)).toEqual([]);
  });

  test("where nothing of it changes nobody asks", () => {
    const input = {
      manifest: manifestOf(),
      system,
      plan: planOf(change("file", "/etc/motd"), change("unit", "cron.service")),
    };
    expect(postgresNeeds(input)).toEqual([]);
  });
});

describe("a version", () => {
  const packages = change("packages", "apt", {
    installs: ["postgresql-15", "postgresql-15-pgvector"],
  });
  const plan = planOf(packages, change("postgres-cluster", "15/main"));
  const input = { manifest: manifestOf(", version: 15"), system, plan };
  test.each([
    ["none", ["the host's apt sources have no postgresql-15"]],
    ["known", []],
    ["unknown", []],
  ] as const)("that apt says %s of", (answer, what) => {
    expect(postgresNeeds(input).map(({ subject }) => subject)).toEqual(["15", "postgresql-15"]);
    const found = findPostgresObstacles(
      input,
      Facts.of([candidateFacts, { "postgresql-15": answer }]),
    );
    expect(found.map((error) => error.parts.what)).toEqual(what);
  });

  test("of the distribution is not asked for: package lists may be empty", () => {
    const own = {
      ...input,
      manifest: manifestOf(", version: 17"),
      plan: planOf(packages, settings),
    };
    expect(postgresNeeds(own).map(({ subject }) => subject)).toEqual(["17"]);
  });
});
