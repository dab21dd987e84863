import { parse as parseConnectionString } from "pg-connection-string";
import { beforeAll, describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import type { ClusterPlace } from "../../../src/facts/postgres/cluster.ts";
import type { System } from "../../../src/facts/system/system.ts";
import { readTemplates } from "../../../src/local/templates.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { orderResources } from "../../../src/plan/order.ts";
import { idOf } from "../../../src/resources/resource.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { resolveBackups } from "../../../src/stack/backups/backups.ts";
import { resolveDatabase } from "../../../src/stack/database/database.ts";
import type { StackInputs } from "../../../src/stack/inputs.ts";
import type { AnyService } from "../../../src/manifest/schema.ts";
import { nativePlaces } from "../../../src/stack/services/native-service.ts";
import { containerPlaces } from "../../../src/stack/services/slot.ts";
import { fillVariables, type Places } from "../../../src/stack/services/variables.ts";
import { describeWorkload } from "../../../src/stack/services/workload.ts";

const trixie: System = { distribution: "debian", version: "13", architecture: "amd64" };
let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

const base = `stack: dx
hosts: { h: { address: h.example.org } }
database:
  databases: { dx: { owner: dx_owner, migrations: db }, all: {} }
  roles:
    dx_reader: { grants: [ { on: all tables, privileges: [select], database: dx } ] }
  settings: { max_connections: 200, password_encryption: scram-sha-256, application_name: "it's" }
services:
  scraper: { exec: /bin/true, database: { name: dx, role: dx_reader } }
  admin: { exec: /bin/true, user: adm2, database: all }
`;
const offsite = `offsite: { host: b.example.org, user: u, path: /srv/b, identity: key, host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1rJ4bI2gZ1q6p0h6m0yQw3o7b2uV7m3r2kQv5mH5bQ", passphrase: PASS }`;
const cloud = `cloud: { bucket: bucket, endpoint: "https://s3.example.org:9000", access_key: KEY_ID, secret_key: KEY_SECRET }`;

function inputsOf(yaml: string, system = trixie): StackInputs {
  const { manifest, problems } = parseManifest(yaml, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  return {
    manifest,
    host: "h",
    system,
    hostname: "h",
    templates,
    blobs: new Map(),
    texts: new Map([["key", "PRIVATE-KEY\n"]]),
    migrations: new Map([
      [
        "db",
        [
          { name: "2_a.sql", text: "select 2;\n" },
          { name: "10_b.sql", text: "select 10;\n" },
        ],
      ],
    ]),
    secrets: new Map([
      ["PASS", "pass-word"],
      ["KEY_ID", "key-id"],
      ["KEY_SECRET", "key-secret"],
    ]),
    isLab: false,
  };
}

function resolveBoth(yaml: string, system?: System): Map<string, Resource> {
  const inputs = inputsOf(yaml, system);
  const database = resolveDatabase(inputs);
  const backups = resolveBackups(inputs, database.resources);
  const packages = { kind: "packages", name: "apt", after: database.beforePackages ?? [] };
  const all = [packages, ...database.resources, ...backups.resources];
  return new Map(all.map((resource) => [idOf(resource), resource]));
}

function variablesOf(inputs: StackInputs, service: AnyService, places?: Places) {
  const workload = describeWorkload(inputs, service);
  return fillVariables(workload, places ?? nativePlaces(workload));
}

function textOf(resources: ReadonlyMap<string, Resource>, id: string): string {
  const { text, content } = resources.get(id) as { text?: string; content?: { text?: string } };
  return text ?? content?.text ?? "";
}

describe("database section", () => {
  test("each service logs in as its own role and as no other", () => {
    const resources = resolveBoth(base);
    expect(textOf(resources, "block:/etc/postgresql/17/main/pg_hba.conf#dx")).toBe(
      'local "all" "all_owner" peer map=hostkit-dx\nlocal "dx" "dx_owner" peer map=hostkit-dx\nlocal "dx" "dx_reader" peer map=hostkit-dx\n',
    );
    expect(textOf(resources, "block:/etc/postgresql/17/main/pg_ident.conf#dx")).toBe(
      'hostkit-dx "adm2" "all_owner"\nhostkit-dx "dx-scraper" "dx_reader"\nhostkit-dx "postgres" "dx_owner"\n',
    );
  });

  test("a service that needs TCP gets a password and a way in, and loses the socket", () => {
    const tcp = base.replace("role: dx_reader }", "role: dx_reader, tcp: true }");
    const resources = resolveBoth(tcp);
    expect(textOf(resources, "block:/etc/postgresql/17/main/pg_hba.conf#dx")).toContain(
      'host "dx" "dx_reader" 127.0.0.1/32 scram-sha-256\n',
    );
    expect(textOf(resources, "block:/etc/postgresql/17/main/pg_ident.conf#dx")).not.toContain(
      "dx_reader",
    );
    expect(resources.get("postgres-role:dx_reader")).toMatchObject({ hasPassword: true });
    expect(resources.get("postgres-role:all_owner")).toMatchObject({ hasPassword: false });
    expect(resources.get("postgres-grants:dx")?.after).toContain("postgres-password:dx_reader");
    const inputs = inputsOf(tcp);
    const [scraper] = inputs.manifest.services.filter(({ name }) => name === "scraper");
    if (scraper === undefined) throw new Error("no scraper");
    expect(variablesOf(inputs, scraper, containerPlaces)).toMatchObject({
      PGHOST: "169.254.54.32",
      DATABASE_URL: "postgresql://dx_reader@169.254.54.32:5432/dx",
    });
    expect(variablesOf(inputs, scraper)).toMatchObject({ PGHOST: "127.0.0.1" });
  });

  test("the address is plain enough for alembic, and node's pg reads it as libpq does", () => {
    const inputs = inputsOf(base);
    const [scraper] = inputs.manifest.services.filter(({ name }) => name === "scraper");
    if (scraper === undefined) throw new Error("no scraper");
    const { DATABASE_URL = "" } = variablesOf(inputs, scraper);
    expect(DATABASE_URL).not.toContain("%");
    expect(parseConnectionString(DATABASE_URL)).toMatchObject({
      host: "/run/postgresql",
      database: "dx",
      user: "dx_reader",
    });
  });

  test("the manifest's settings win, and their values are quoted", () => {
    const text = textOf(resolveBoth(base), "postgres-settings:17/main");
    expect(text).toContain("max_connections = '200'\n");
    expect(text).toContain("application_name = 'it''s'\n");
    expect(text).toContain("listen_addresses = '127.0.0.1, ::1'\n");
    expect(text).not.toContain("archive_mode");
  });

  test("migrations run as the owner, who otherwise cannot log in", () => {
    expect(resolveBoth(base).get("postgres-migrations:dx")).toMatchObject({
      owner: "dx_owner",
      ownerLogin: false,
      ownerConnectionLimit: -1,
      folder: "db",
      files: [{ name: "2_a.sql" }, { name: "10_b.sql" }],
    });
  });

  test("of a distribution that is not known nobody knows which PostgreSQL it brings", () => {
    const unknown: System = { ...trixie, distribution: "ubuntu", version: "25.10" };
    expect(() => resolveDatabase(inputsOf(base, unknown))).toThrow(HostkitError);
    const written = base.replace("database:\n", "database:\n  version: 17\n");
    expect(resolveDatabase(inputsOf(written, unknown)).packages).toEqual(["postgresql-17"]);
  });

  test("whatever takes a port of PostgreSQL's, or speaks to it, waits until the server runs", () => {
    const tcp = `${base.replace("role: dx_reader }", "role: dx_reader, tcp: true }")}  box: { image: "r.example.org/x@sha256:${"a".repeat(64)}", database: { name: dx, role: dx_owner, tcp: true } }
`;
    const resources = resolveBoth(tcp);
    const waits = (id: string, seen = new Set<string>()): Set<string> => {
      for (const before of resources.get(id)?.after ?? []) {
        if (seen.has(before)) continue;
        seen.add(before);
        waits(before, seen);
      }
      return seen;
    };
    const running = "unit:postgresql@17-main.service";
    const speaks = [...resources.keys()].filter((id) =>
      /^(?:postgres-(?:role|database|extensions|migrations|grants|password)|unit:.*\.socket)/.test(
        id,
      ),
    );
    expect(speaks.length).toBeGreaterThan(5);
    expect(speaks.filter((id) => !waits(id).has(running))).toEqual([]);
    // And what changes the cluster waits until it was tried.
    const parts = [...resources.keys()].filter((id) =>
      /postgresql@17|etc\/postgresql\/17|postgres-settings/.test(id),
    );
    expect(parts.filter((id) => !waits(id).has("postgres-trial:17/main"))).toEqual([]);
    expect(waits("postgres-trial:17/main").has("postgres-cluster:17/main")).toBe(true);
  });

  const found: ClusterPlace = {
    port: 5433,
    data: "/srv/pg/main",
    outside: ["/mnt/fast"],
    listen: "*",
    isMade: false,
  };

  test("a cluster on another port is reached there, by everybody", () => {
    const system: System = { ...trixie, clusters: { "17": found } };
    const inputs = inputsOf(base, system);
    const [service] = inputs.manifest.services;
    if (service === undefined) throw new Error("no service");
    expect(variablesOf(inputs, service)).toMatchObject({
      PGPORT: "5433",
      DATABASE_URL: expect.stringMatching(/&port=5433$/) as string,
    });
    expect(variablesOf(inputsOf(base), service)).not.toHaveProperty("PGPORT");
    const backups = `${base}backups: { repositories: { local: { path: /var/backups/hostkit } }, postgres: {} }\n`;
    const config = textOf(
      resolveBoth(backups, system),
      "file:/etc/pgbackrest/conf.d/hostkit-dx.conf",
    );
    expect(config).toContain("pg1-path=/srv/pg/main\npg1-port=5433\n");
  });

  test("a cluster that was there before keeps its owner's settings and gets no sandbox", () => {
    const resources = resolveBoth(base, { ...trixie, clusters: { "17": found } });
    const dropIn = textOf(
      resources,
      `file:/etc/systemd/system/postgresql@17-main.service.d/50-hostkit-dx.conf`,
    );
    expect(dropIn).not.toContain("Protect");
    expect(textOf(resources, "postgres-settings:17/main")).not.toMatch(
      /listen_addresses|unix_socket/,
    );
    expect(resources.get("unit:postgresql@17-main.service")).toMatchObject({ onChange: "reload" });
  });

  test.each([
    ["moved", { data: "/srv/pg/main", outside: ["/srv/pg/main"] }, ["/srv/pg/main"]],
    [
      "with a tablespace",
      { data: "/var/lib/postgresql/17/main", outside: ["/mnt/fast"] },
      ["/mnt/fast"],
    ],
    ["at home", { data: "/home/pg/main", outside: ["/home/pg/main"] }, undefined],
    ["in a place with a blank", { data: "/srv/my data", outside: ["/srv/my data"] }, undefined],
    ["with a tablespace in /tmp", { data: "/srv/pg", outside: ["/tmp/x"] }, undefined],
  ] as const)("the sandbox of hostkit's own cluster, %s", (_name, place, writable) => {
    const clusters = { "17": { ...found, ...place, isMade: true } };
    const dropIn = textOf(
      resolveBoth(base, { ...trixie, clusters }),
      "file:/etc/systemd/system/postgresql@17-main.service.d/50-hostkit-dx.conf",
    );
    expect(dropIn.includes("ProtectSystem=strict")).toBe(writable !== undefined);
    for (const path of writable ?? []) expect(dropIn).toContain(`ReadWritePaths=-${path}\n`);
  });

  test("without the section there is nothing", () => {
    const empty = "stack: dx\nhosts: { h: { address: h.example.org } }\nhost: { timezone: UTC }\n";
    expect(resolveDatabase(inputsOf(empty)).resources).toEqual([]);
  });
});

describe("backups section", () => {
  const all = `${base}backups:
  repositories: { local: { path: /var/backups/hostkit }, ${offsite}, ${cloud} }
  postgres: { incremental: daily, wal: none, keep: { full: 2 } }
  files: { paths: [/etc, "/srv/it's"], exclude: ["*.tmp"] }
`;

  test("everything that is waited for is there, and nothing waits in a circle", () => {
    const resources = [...resolveBoth(all).values()];
    expect(orderResources(resources)).toHaveLength(resources.length);
  });

  test("secrets are in secret content only, readable for their user alone", () => {
    const resources = [...resolveBoth(all).values()];
    const hidden = ["pass-word", "key-secret", "key-id", "PRIVATE-KEY"];
    for (const resource of resources) {
      const { content, mode } = resource as { content?: object; mode?: string };
      if (content !== undefined && "secret" in content) {
        expect([idOf(resource), mode]).toEqual([idOf(resource), "0600"]);
        continue;
      }
      for (const secret of hidden) expect(JSON.stringify(resource)).not.toContain(secret);
    }
    expect(
      resources.filter(
        (resource) => "content" in resource && "secret" in (resource.content as object),
      ),
    ).toHaveLength(6);
  });

  test("pgBackRest's repositories are numbered by name; its options say what was asked for", () => {
    const config = textOf(resolveBoth(all), "file:/etc/pgbackrest/conf.d/hostkit-dx.conf");
    expect(config).toContain("repo1-type=s3\n");
    expect(config).toContain("repo1-storage-port=9000\n");
    expect(config).toContain("repo2-type=posix\n");
    expect(config).toContain("repo2-path=/var/backups/hostkit/postgres\n");
    expect(config).toContain("repo3-type=sftp\n");
    expect(config).toContain("repo3-retention-full=2\n");
    expect(config).toContain("repo3-retention-archive=1\n");
    expect(config).toContain("repo3-sftp-host-key-check-type=strict\n");
  });

  test("PostgreSQL's sandbox opens what archive-push writes to, and the network only for remote repositories", () => {
    const dropIn = "file:/etc/systemd/system/postgresql@17-main.service.d/50-hostkit-dx.conf";
    expect(textOf(resolveBoth(all), dropIn)).toContain(
      "ReadWritePaths=-/var/backups/hostkit/postgres\n",
    );
    expect(textOf(resolveBoth(all), dropIn)).not.toContain("IPAddressDeny");
    expect(textOf(resolveBoth(base), dropIn)).toContain("IPAddressDeny=any\n");
  });

  test("Debian 12's pgBackRest cannot write to SFTP, restic can", () => {
    const bookworm = { ...trixie, version: "12" };
    expect(() => resolveBoth(all, bookworm)).toThrow(/SFTP/);
    const files = all.replace("wal: none", "wal: none, repositories: [local]");
    expect(resolveBoth(files, bookworm).has("backup-repository:files/offsite")).toBe(true);
  });

  test("only the full backup and the files are run by provision", () => {
    const first = [...resolveBoth(all).keys()].filter((id) => id.startsWith("backup-first:"));
    expect(first).toEqual(["backup-first:postgres-full", "backup-first:files"]);
  });
});
