import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drillFacts } from "../../../src/facts/backups/drill.ts";
import { expiredFacts } from "../../../src/facts/backups/expired.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { systemFacts } from "../../../src/facts/system/system.ts";
import { findGrowing, writeExpiryNotes } from "../../../src/local/expiry-record.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { describeGrowing } from "../../../src/report/growing.ts";
import { listGrowing } from "../../../src/stack/backups/growing.ts";

const day = 86_400;
const now = 1_800_000_000;
const parsed = parseManifest(
  `stack: app
hosts: { h: { address: h.example.org } }
backups:
  repositories:
    box: { host: b.example.org, user: u, path: /b, identity: k, host_key: "SHA256:${"a".repeat(43)}", passphrase: P, append_only: { identity: o } }
    never: { host: b.example.org, user: u, path: /c, identity: k, host_key: "SHA256:${"a".repeat(43)}", passphrase: P, append_only: true }
    local: { path: /var/backups/x }
  files: { paths: [/etc/app] }
secrets: { P: }
`,
  "hostkit.yaml",
);
const { manifest } = parsed;
if (manifest === undefined) throw new Error("the manifest is wrong");

test.each([
  ["never, and the backups are young", 30, undefined, []],
  ["never, and they are old", 40, undefined, ["box grows: old backups were never removed"]],
  ["lately", 400, 20, []],
  ["long ago", 400, 40, ["box grows: old backups were removed 40 days ago"]],
])("old backups were removed %s", (_, since, expired, says) => {
  const facts = Facts.of(
    [systemFacts, { host: { time: now } }],
    [drillFacts, { app: { records: [], running: [], since: { files: now - since * day } } }],
    [expiredFacts, { app: expired === undefined ? {} : { box: now - expired * day } }],
  );
  const found = listGrowing(manifest, facts).map((one) => describeGrowing(one, now));
  expect(found).toEqual(says);
});

describe("what this machine wrote down", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "hostkit-growing-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ["nothing", undefined, 0],
    ["lately", 20, 0],
    ["long ago", 40, 1],
  ])("%s", async (_, days, count) => {
    const environment = { XDG_STATE_HOME: folder };
    if (days !== undefined)
      await writeExpiryNotes(environment, "app", [
        { stack: "app", repository: "box", tool: "files", time: now - days * day, left: ["a"] },
      ]);
    const loaded = { file: "hostkit.yaml", folder, text: "", parsed } as never;
    const problems = await findGrowing(loaded, manifest, environment, now);
    expect(problems).toHaveLength(count);
    for (const { severity, path: at, message } of problems) {
      expect({ severity, at }).toEqual({
        severity: "warning",
        at: "backups.repositories.box.append_only",
      });
      expect(message).toContain("40 days ago; hostkit backup expire box");
    }
  });
});
