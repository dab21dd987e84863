import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Facts } from "../../../src/facts/fact.ts";
import { kindOf, kindNames } from "../../../src/resources/kinds.ts";
import type { Resource, ResourceId } from "../../../src/resources/resource.ts";

/**
 * Killed between any two steps, or within one: how does the next plan see it? "again": the change is made once more whenever a run did
 * not come to its end, because facts cannot tell. Otherwise: which fact tells, whatever the moment.
 */
const kinds: Readonly<Record<string, string>> = {
  "backup-first": "the report of a backup is the last thing it writes",
  "backup-passphrase": "a rename makes it, and its owner and mode are facts",
  "backup-repository": "its stamp, which is gone before anything begins",
  block: "a rename makes it",
  caddy: "again",
  claims: "a rename makes it",
  deb: "its stamp, which is gone before anything begins",
  directory: "owner and mode are facts; its own owner changes last",
  download: "again",
  file: "a rename makes it",
  hostname: "the live and the kept name are facts",
  image: "the tag comes last; an archive: again, because the tag that came with it goes after that",
  "json-file": "a rename makes it",
  network: "it is there or not",
  nftables: "its stamp, which is gone before anything begins, and the live listing",
  "packaged-program": "its stamp, which is gone before anything begins",
  packages: "dpkg's own status",
  "postgres-cluster": "again",
  "postgres-database": "rows of the catalogue",
  "postgres-extensions": "rows of the catalogue",
  "postgres-grants": "rows of the catalogue",
  "postgres-migrations": "each in a transaction with its row in the ledger",
  "postgres-password": "a login with it",
  "postgres-role": "rows of the catalogue",
  "postgres-settings": "again",
  "postgres-trial": "it is made again with whatever it is for, and its record is a fact",
  release: "again",
  "restore-record": "a rename makes it",
  "restored-cluster": "the record, in which it is done last",
  "restored-files": "the record, in which they are done last",
  sshd: "its stamp, which is gone before anything begins",
  swap: "the file's size, whether it is in use, whether the unit is enabled",
  sysctl: "its stamp, which is gone before anything begins, and the live values",
  target: "again",
  "time-sync": "the daemon's unit",
  timezone: "/etc/localtime is written last",
  unit: "again",
  user: "groups and shell are facts; the account comes before them",
  volume: "again",
};

test("every kind has an answer", () => {
  expect(Object.keys(kinds).sort()).toEqual([...kindNames].sort());
});

interface Case {
  resource?: Resource;
  facts?: Record<string, Record<string, unknown>>;
  context?: { changed?: ResourceId[]; isOwned?: boolean };
  change: unknown;
}

const root = new URL("../../cases/resources/", import.meta.url);
const settled = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => [name, parse(readFileSync(new URL(name, root), "utf8")) as Case] as const)
  .flatMap(([name, { resource, facts, context, change }]) =>
    change === null && resource !== undefined
      ? [[name, { resource, facts, context }] as const]
      : [],
  );

describe("where all is as it should be, but a run did not come to its end", () => {
  test.each(settled)("%s", (_name, { resource, facts, context }) => {
    const seen = new Facts(
      new Map(
        Object.entries(facts ?? {}).map(([source, values]) => [
          source,
          new Map(Object.entries(values)),
        ]),
      ),
    );
    const change = kindOf(resource).diff(resource, seen, {
      stackDirectory: "/var/lib/hostkit/test",
      changed: new Set(context?.changed ?? []),
      isOwned: context?.isOwned ?? false,
      isUnfinished: true,
    });
    if (kinds[resource.kind] !== "again" || isLeftAlone(resource)) expect(change).toBeUndefined();
    else expect(change?.steps.filter(({ type }) => type === "script")).not.toEqual([]);
  });
});

/** A unit that is to be stopped has nothing to read anew. */
function isLeftAlone(resource: Resource): boolean {
  return resource.kind === "unit" && (resource as { state?: string }).state === "stopped";
}
