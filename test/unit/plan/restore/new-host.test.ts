import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../../src/errors.ts";
import { filledFacts } from "../../../../src/facts/backups/restored-from.ts";
import { Facts } from "../../../../src/facts/fact.ts";
import { fileFacts } from "../../../../src/facts/files/file.ts";
import { clusterFacts, postgresFacts } from "../../../../src/facts/postgres/postgres.ts";
import type { BackupSet } from "../../../../src/facts/postgres/restore.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import {
  checkRestoreRepository,
  chooseRestore,
  refuseRestoreHere,
} from "../../../../src/plan/restore/new-host.ts";
import type { RepositoryContent } from "../../../../src/plan/restore/new-host.ts";

const { manifest } = parseManifest(
  `stack: shop
hosts: { h1: h1.example.org }
database: { databases: { shop: { owner: keeper } } }
services: { page: { archive: page.tar, volumes: ["data:/data"] } }
backups:
  repositories:
    local: { path: /var/backups/shop }
    offsite: { bucket: shop, endpoint: "https://s3.example.org", access_key: A, secret_key: B, passphrase: KEY }
    near: { path: /mnt/near }
  postgres: { full: weekly, repositories: [local, offsite] }
  files: { paths: [/srv/in, /etc], volumes: [data], schedule: daily, keep: { daily: 3 }, repositories: [local, offsite, near] }
`,
  "hostkit.yaml",
);

const restore = { manifest: manifest!, host: "h1", major: 17, repository: "offsite" };

function wordsOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof HostkitError) return `${error.exitCode} ${error.parts.what}`;
    throw error;
  }
  return "";
}

test.each([
  ["offsite", ""],
  ["local", ""],
  ["near", "64 the repository near has no backups of PostgreSQL"],
  ["ofsite", '64 the manifest has no repository "ofsite" with backups'],
])("the repository %s", (repository, words) => {
  expect(wordsOf(() => checkRestoreRepository({ manifest: manifest!, repository }))).toBe(words);
});

const bare = Facts.of([clusterFacts, { "17": { state: "missing" } }]);
const volume = "/var/lib/docker/volumes/hostkit-shop-data/_data";

describe("a host", () => {
  test.each<[string, string, Facts, string]>([
    ["that is bare", "offsite", bare, ""],
    [
      "with an empty cluster of hostkit's",
      "offsite",
      Facts.of(
        [clusterFacts, { "17": { state: "running", isMade: true } }],
        [postgresFacts, { "17": { databases: { postgres: {} } } }],
      ),
      "",
    ],
    [
      "with a cluster of somebody else's",
      "offsite",
      Facts.of(
        [clusterFacts, { "17": { state: "running", isMade: false } }],
        [postgresFacts, { "17": { databases: { postgres: {} } } }],
      ),
      "65 there is data on this host already: PostgreSQL's cluster 17/main, which was here before hostkit",
    ],
    [
      "with databases and a volume",
      "offsite",
      Facts.of(
        [clusterFacts, { "17": { state: "running", isMade: true } }],
        [postgresFacts, { "17": { databases: { postgres: {}, shop: {} } } }],
        [filledFacts, { [volume]: true }],
      ),
      "65 there is data on this host already: PostgreSQL's cluster 17/main with the databases shop, the volume data, with something in it",
    ],
    [
      "with a cluster that is down",
      "offsite",
      Facts.of([clusterFacts, { "17": { state: "down", isMade: true } }]),
      "65 there is data on this host already: PostgreSQL's cluster 17/main, which does not answer",
    ],
    [
      "without the key",
      "local",
      bare,
      "65 the key of the repository local is neither a secret of the manifest nor on this host",
    ],
    [
      "with the keys put there",
      "local",
      Facts.of([
        fileFacts,
        {
          "/etc/pgbackrest/conf.d/hostkit-shop-local.conf": {},
          "/etc/hostkit/shop/backup/local.password": {},
        },
      ]),
      "",
    ],
  ])("%s", (_, repository, facts, words) => {
    expect(wordsOf(() => refuseRestoreHere({ ...restore, repository }, facts))).toBe(words);
  });
});

function set(label: string, stop: number, more: Partial<BackupSet> = {}): BackupSet {
  return {
    ...{ repository: 2, label, type: "full", start: stop - 10, stop, bytes: 1, hasErrors: false },
    ...{ firstWal: "000000010000000000000002", lastWal: "000000010000000000000003" },
    ...{ archive: "17-1", ...more },
  };
}
const segment = (name: string, time: number) => ({ repository: 2, archive: "17-1", name, time });
const snapshots = [{ id: "abc", time: 1000, paths: ["/srv/in"] }];

describe("what is chosen", () => {
  test("is the newest backup without errors, and the timeline that was archived last", () => {
    const content: RepositoryContent = {
      postgres: {
        sets: [set("A", 100), set("B", 200), set("C", 300, { hasErrors: true })],
        archived: [
          segment("000000020000000000000009", 500),
          segment("000000010000000000000005", 600),
          segment("000000020000000000000008", 400),
        ],
      },
      files: { snapshots },
    };
    const facts = Facts.of([filledFacts, { "/etc": true }]);
    expect(chooseRestore(restore, content, facts)).toMatchObject({
      choice: {
        repository: "offsite",
        postgres: { set: "B", timeline: 1 },
        files: { snapshot: "abc", left: ["/etc"] },
      },
      newestWal: 600,
    });
  });

  test.each<[string, RepositoryContent, string]>([
    [
      "nothing in it",
      { postgres: { sets: [], archived: [] }, files: { snapshots: [] } },
      "1 the repository offsite has no backup of the stack shop",
    ],
    [
      "another major",
      {
        postgres: { sets: [set("A", 1, { archive: "15-1" })], archived: [] },
        files: { snapshots },
      },
      "71 the repository offsite has backups of PostgreSQL 15, and this host's is 17",
    ],
    [
      "another password",
      { postgres: { said: "[FormatError] unable to load info file" } },
      "1 the repository offsite exists, but its password is another one",
    ],
    [
      "another password of restic",
      {
        postgres: { sets: [set("A", 1)], archived: [] },
        files: { said: "Fatal: wrong password or no key found" },
      },
      "1 the repository offsite exists, but its password is another one",
    ],
    [
      "another certificate",
      { postgres: { said: "CryptoError: unable to find hostname 'x' in certificate" } },
      "1 the repository offsite cannot be read from this host",
    ],
    [
      "no answer",
      { postgres: { said: "[HostConnectError] unable to connect" } },
      "1 the repository offsite cannot be read from this host",
    ],
  ])("%s is refused", (_, content, words) => {
    expect(wordsOf(() => chooseRestore(restore, content, bare))).toBe(words);
  });

  test("files that were never backed up do not keep a database from coming back", () => {
    const content: RepositoryContent = {
      postgres: { sets: [set("A", 1)], archived: [] },
      files: { snapshots: [] },
    };
    expect(chooseRestore(restore, content, bare).choice).toEqual({
      repository: "offsite",
      postgres: { set: "A", timeline: 1 },
    });
  });
});
