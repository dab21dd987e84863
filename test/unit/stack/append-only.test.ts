import { beforeAll, describe, expect, test } from "vitest";
import { readTemplates } from "../../../src/local/templates.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { listReferencedFiles } from "../../../src/manifest/references.ts";
import { resolveBackups } from "../../../src/stack/backups/backups.ts";
import { chooseKept, describeKept, keeperNeeds } from "../../../src/stack/backups/keeper.ts";
import { shortestPauseOf } from "../../../src/stack/backups/proofs.ts";
import type { StackInputs } from "../../../src/stack/inputs.ts";
import { idOf } from "../../../src/resources/resource.ts";

const trixie = { distribution: "debian", version: "13", architecture: "amd64" } as const;
const pinned = `SHA256:${"a".repeat(43)}`;
const manifest = read(`
    box: { host: b.example.org, user: u, path: /srv/b, identity: host-key, host_key: "${pinned}", passphrase: PASS, append_only: { user: keeper, identity: keeper-key } }
    cloud: { bucket: bbb, endpoint: "https://s3.example.org", access_key: HOST_ID, secret_key: HOST_SECRET, passphrase: PASS, append_only: { access_key: KEEPER_ID, secret_key: KEEPER_SECRET } }
    local: { path: /var/backups/hostkit }
    never: { host: c.example.org, user: u, path: /srv/c, identity: host-key, host_key: "${pinned}", append_only: true }`);

function read(repositories: string) {
  const parsed = parseManifest(
    `stack: dx
hosts: { h: { address: h.example.org } }
database: { databases: { app: {} } }
backups:
  repositories:${repositories}
  postgres: { keep: { full: 3 } }
  files: { paths: [/etc/app], keep: { daily: 5 } }
secrets: { PASS: , HOST_ID: , HOST_SECRET: , KEEPER_ID: , KEEPER_SECRET: { file: keeper-secret } }
`,
    "hostkit.yaml",
  );
  if (parsed.manifest === undefined)
    throw new Error(parsed.problems.map(({ message }) => message).join("\n"));
  return parsed.manifest;
}

/** What the operator's machine could read. */
const texts = new Map([
  ["host-key", "KEY-OF-THE-HOST\n"],
  ["keeper-key", "KEY-OF-THE-KEEPER\n"],
]);
const secrets = new Map([
  ["PASS", "pass-word"],
  ["HOST_ID", "id-of-the-host"],
  ["HOST_SECRET", "secret-of-the-host"],
  ["KEEPER_ID", "id-of-the-keeper"],
  ["KEEPER_SECRET", "secret-of-the-keeper"],
]);
const keepers = ["KEY-OF-THE-KEEPER", "id-of-the-keeper", "secret-of-the-keeper"];

let inputs: StackInputs;
beforeAll(async () => {
  inputs = {
    ...{ manifest, host: "h", system: trixie, hostname: "h", templates: await readTemplates() },
    ...{ blobs: new Map(), texts, secrets, isLab: false },
  };
});

describe("what a host gets of an append-only repository", () => {
  const textOf = (id: string): string => {
    const found = resolveBackups(inputs).resources.find((one) => idOf(one) === id);
    return (found as { content?: { text?: string } } | undefined)?.content?.text ?? "";
  };

  test("nothing of whoever removes, in no resource, even where it was read", () => {
    const all = JSON.stringify(resolveBackups(inputs).resources, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
    expect(all).toContain("KEY-OF-THE-HOST");
    expect(all).toContain("secret-of-the-host");
    for (const value of [...keepers, "keeper-key", "keeper@"]) expect(all).not.toContain(value);
  });

  test("and nothing that a host's verbs read on this machine", () => {
    expect(manifest.secrets.filter((one) => one.isKeepers).map(({ name }) => name)).toEqual([
      "KEEPER_ID",
      "KEEPER_SECRET",
    ]);
    const files = listReferencedFiles(manifest).map(({ path }) => path);
    expect(files).toContain("host-key");
    expect(files).not.toContain("keeper-key");
    expect(files).not.toContain("keeper-secret");
  });

  test("pgBackRest removes from the others only", () => {
    const config = textOf("file:/etc/pgbackrest/conf.d/hostkit-dx.conf");
    expect(config.match(/repo\d-retention-full=/g)).toEqual(["repo3-retention-full="]);
    const script = textOf("file:/usr/local/lib/hostkit/dx/backup-postgres");
    expect(script).toMatch(/1\) expire=--no-expire-auto ;;\s+2\) expire=--no-expire-auto ;;\s+4\)/);
    expect(script).toContain("$expire --log-level-console=info");
  });

  test("restic forgets in the others only", () => {
    const script = textOf("file:/usr/local/lib/hostkit/dx/backup-files");
    expect(script).toMatch(/case \$1 in\s+box\) ;;\s+cloud\) ;;\s+never\) ;;\s+\*\) return 1/);
    expect(script).toContain('.checked" ] && ! is_append_only "$repository"; then');
  });

  test("a manifest without one has the scripts that it had", () => {
    const plain = { ...inputs, manifest: read(" { local: { path: /var/backups/hostkit } }") };
    const all = JSON.stringify(resolveBackups(plain).resources);
    expect(all).not.toMatch(/append_only|no-expire-auto/);
  });
});

describe("what this machine is told of it", () => {
  const describeIt = (name: string) =>
    describeKept(manifest, name, { secrets, texts }, "/tmp/hostkit-keeper-x");

  test("who may remove where", () => {
    expect(chooseKept(manifest, []).map(({ name }) => name)).toEqual(["box", "cloud"]);
    expect(chooseKept(manifest, ["cloud"]).map(keeperNeeds)).toEqual([
      { secrets: ["KEEPER_ID", "KEEPER_SECRET", "PASS"] },
    ]);
    expect(chooseKept(manifest, ["box"]).map(keeperNeeds)).toEqual([
      { secrets: ["PASS"], identity: "keeper-key" },
    ]);
    expect(() => chooseKept(manifest, ["never"])).toThrow("nobody here may remove");
    expect(() => chooseKept(manifest, ["local"])).toThrow("nobody here may remove");
    expect(() => chooseKept(manifest, ["x"])).toThrow('no repository "x"');
    expect(() => chooseKept(read(" { local: { path: /var/backups/x } }"), [])).toThrow(
      "no repository that old backups are removed from here",
    );
  });

  test.each([
    ["box", "keeper@b.example.org", "KEY-OF-THE-KEEPER"],
    ["cloud", "s3.example.org", "secret-of-the-keeper"],
  ])("%s: another's access, in files of the folder alone", (name, where, value) => {
    const kept = describeIt(name);
    const { files, postgres, restic, prepare } = kept;
    const words = [restic?.url, ...(restic?.options ?? []), ...(restic?.keep ?? [])];
    expect(words.join(" ")).toContain(where);
    expect(words).toContain("--keep-daily");
    expect(files.map(({ secret }) => secret).join("\n")).toContain(value);
    for (const { path } of files) expect(path).toMatch(/^\/tmp\/hostkit-keeper-x\/[^/]+$/);
    for (const hidden of [...secrets.values(), "KEY-OF"]) {
      expect(words.join(" ")).not.toContain(hidden);
      expect(JSON.stringify(prepare)).not.toContain(hidden);
    }
    expect(JSON.stringify(kept)).not.toMatch(/of-the-host|OF-THE-HOST/);
    expect(postgres?.config).toContain("repo1-retention-full=3\n");
    expect(postgres?.config).toContain("repo1-cipher-pass=pass-word\n");
    expect(`${postgres?.config} ${words.join(" ")}`).not.toMatch(/\/etc\/(?:pgbackrest|hostkit)/);
  });

  test("the bucket's key is in pgBackRest's configuration", () => {
    const config = describeIt("cloud").postgres?.config ?? "";
    expect(config).toContain(
      "repo1-s3-key=id-of-the-keeper\nrepo1-s3-key-secret=secret-of-the-keeper\n",
    );
    expect(config.match(/^\[/gm)).toHaveLength(1);
  });
});

test.each([
  ["hourly", 3600],
  ["weekly", 7 * 86_400],
  ["Mon *-*-* 03:00", 7 * 86_400],
  ["Mon,Thu 03:00", 3.5 * 86_400],
  ["Mon..Fri *-*-* 03:00", 120_960],
  ["*-*-* 02:30:00", 86_400],
  ["*-*-* 00/6:00", 3600],
  ["*:0/15", 60],
  ["*-*-01 03:00 Europe/Berlin", 28 * 86_400],
  ["*-12-24", 365 * 86_400],
])("between two times of %s are at least about so many seconds", (schedule, seconds) => {
  expect(shortestPauseOf(schedule)).toBe(seconds);
});
