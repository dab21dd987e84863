import fc from "fast-check";
import { expect } from "vitest";
import { distributions } from "../../src/distributions.ts";
import { formatProblems, parseManifest } from "../../src/manifest/parse.ts";
import { listReferencedFiles } from "../../src/manifest/references.ts";
import type { Manifest } from "../../src/manifest/schema.ts";
import type { ImageArchive } from "../../src/resources/containers/packed-image.ts";
import type { Blob, Resource } from "../../src/resources/resource.ts";
import { resolveStack } from "../../src/stack/resolve.ts";

/**
 * Whatever can be written. Names, users, ports, paths and sites come from small pools, so that they meet each other; most values are
 * right, so that most manifests can be planned.
 */

const names = ["api", "db", "web", "api-a", "worker", "scraper", "caddy", "app", "a2"];
const name = fc.constantFrom(...names);
const user = fc.constantFrom("shared", "www-data", "app-api", "nobody", "shop-db", "root", "caddy");
const port = fc.constantFrom(80, 443, 22, 5432, 8080, 7300, 20_000, 25_007, 1, 65_535);
const path = fc.constantFrom(
  "/data",
  "/var/lib/app",
  "/etc",
  "/run/secrets",
  "/run/postgresql",
  "/tmp",
  "/var/lib/hostkit",
  "/srv/my files",
  "/etc/caddy/Caddyfile",
);
const volume = fc.oneof(
  fc
    .tuple(fc.constantFrom("data", "files", "/srv/a", "/srv/b c"), path)
    .map((two) => two.join(":")),
  fc.tuple(fc.constantFrom("data", "/srv/a"), path).map((two) => `${two.join(":")}:ro`),
);
const secret = fc.constantFrom("KEY", "TOKEN", "PASS");
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });
const few = <T>(value: fc.Arbitrary<T>) => fc.uniqueArray(value, { maxLength: 3 });
const database = fc.constantFrom("app", "shop", "app-2");
const role = fc.constantFrom("app_owner", "reader", "writer", "shop_owner");
const text = fc.constantFrom("x", "", "a b", "$HOME", "${X}", "100%", "a'b\"c", "1.10", 7, true);
const environment = fc.dictionary(
  fc.constantFrom("A", "PORT", "HOST", "KEY_FILE", "DATABASE_URL", "URL"),
  text,
  { maxKeys: 3 },
);

const source = fc.oneof(
  fc.constantFrom<object>(
    { apt: "redis-server" },
    { apt: "redis-server=5:7.0.15-1" },
    { apt: "haproxy" },
    { package: "p.deb" },
    { exec: "/usr/bin/x --y" },
    { exec: ["./x", "a b", "%h", "$X", ""] },
    { archive: { url: "https://example.org/x.tgz", sha256: "a".repeat(64) }, exec: "bin/x" },
    { build: "./ctx" },
    { build: { context: "./ctx", args: { A: "b" }, target: "base" } },
    { archive: "a.tar" },
    { image: `example.org/a@sha256:${"0".repeat(64)}` },
  ),
  fc.constantFrom<object>({}, { build: "./ctx", image: "x" }),
);

const common = fc.record({
  user: some(user),
  env: some(environment),
  env_file: some(fc.constantFrom(".env", "b.env")),
  secrets: some(few(secret)),
  database: some(
    fc.oneof(
      database,
      fc.record({ name: some(database), role: some(role), tcp: some(fc.boolean()) }),
    ),
  ),
  volumes: some(few(volume)),
  ports: some(few(fc.oneof(port, fc.constantFrom("7300:7301", "514/udp", "80:8080/tcp")))),
  after: some(few(name)),
  resources: some(
    fc.record({
      memory: some(fc.constantFrom("64M", 64, "1G")),
      cpus: some(fc.constantFrom(0.5, 4)),
      pids: some(fc.constantFrom(1, 100)),
    }),
  ),
  stateful: some(fc.boolean()),
});

const service = fc
  .tuple(source, common, some(fc.constantFrom("30s", 5)))
  .map(([from, rest, watchdog]) => ({ ...from, ...rest, watchdog }));
const web = fc
  .tuple(
    source,
    common,
    port,
    some(
      fc.oneof(
        fc.constant("/health"),
        fc.record({ path: some(fc.constant("/h")), grace: some(fc.constant("5s")) }),
      ),
    ),
    some(fc.constantFrom(1, 2, 8, 9, 32)),
  )
  .map(([from, rest, listens, health, replicas]) => ({
    ...from,
    ...rest,
    port: listens,
    health,
    replicas,
  }));

const site = fc.record({
  tls: some(fc.constantFrom<unknown>("internal", "acme", { certificate: "c.pem", key: "k.pem" })),
  routes: some(
    fc.oneof(
      name,
      fc.dictionary(fc.constantFrom("/*", "/api/*", "/", "/API/*"), name, { maxKeys: 3 }),
    ),
  ),
  redirect: fc.option(fc.constantFrom("https://b.example.org", "http://a.example.org/x"), {
    nil: undefined,
    freq: 6,
  }),
  headers: some(fc.constantFrom({ "X-A": 'b{c}"\\' }, { "X-B": "" })),
  max_body: some(fc.constantFrom("1M", 5)),
});

const repository = fc.constantFrom<object>(
  { path: "/var/backups/a" },
  { path: "/srv/a", passphrase: "PASS" },
  { bucket: "bucket", endpoint: "https://s3.example.org", access_key: "KEY", secret_key: "TOKEN" },
  {
    host: "b.example.org",
    user: "u",
    path: "/b",
    identity: "id",
    host_key: `SHA256:${"a".repeat(43)}`,
  },
);

const schedule = fc.constantFrom("daily", "weekly", "Mon *-*-* 03:00");
/** A manifest as it is written. */
export const anyManifest = fc.record({
  stack: fc.constantFrom("app", "shop", "a", "hostkit-x"),
  hosts: fc.constantFrom<object>(
    { h: "192.0.2.1" },
    { h: { address: "h.example.org", port: 2222 } },
  ),
  database: some(
    fc.record({
      version: some(fc.constantFrom<unknown>("distro", 15, 16, 17)),
      databases: some(
        fc.dictionary(
          database,
          fc.option(
            fc.record({
              owner: some(role),
              migrations: some(fc.constant("db")),
              extensions: some(few(fc.constantFrom("pg_trgm", "postgis", 'a"b'))),
            }),
          ),
          { maxKeys: 2 },
        ),
      ),
      roles: some(
        fc.dictionary(
          role,
          fc.option(
            fc.record({
              login: some(fc.boolean()),
              connection_limit: some(fc.constantFrom(0, 5)),
              grants: some(
                few(
                  fc.record({
                    on: fc.constantFrom<unknown>("all tables", "schema", "database", ["t1", "t2"]),
                    privileges: fc.constantFrom(
                      [["select"], ["all"], ["usage"], ["connect"]][0],
                      ["all"],
                      ["usage"],
                    ),
                    database: some(database),
                  }),
                ),
              ),
            }),
          ),
          { maxKeys: 2 },
        ),
      ),
      settings: some(
        fc.constantFrom({ max_connections: 50 }, { shared_buffers: "1GB", work_mem: "it's" }),
      ),
    }),
  ),
  services: some(fc.dictionary(name, service, { maxKeys: 3 })),
  web: some(fc.dictionary(name, web, { maxKeys: 3 })),
  proxy: some(
    fc.record({
      email: some(fc.constant("a@example.org")),
      sites: some(
        fc.dictionary(
          fc.constantFrom("a.example.org", "A.example.org", "*.example.org", "192.0.2.1"),
          site,
          { maxKeys: 2 },
        ),
      ),
    }),
  ),
  backups: some(
    fc.record({
      repositories: fc.dictionary(fc.constantFrom("local", "far", "r.2"), repository, {
        minKeys: 1,
        maxKeys: 2,
      }),
      postgres: some(
        fc.record({
          full: some(schedule),
          incremental: some(schedule),
          differential: some(schedule),
          wal: some(fc.constantFrom("continuous", "none")),
        }),
      ),
      files: some(
        fc.record({
          paths: some(few(path)),
          volumes: some(few(fc.constantFrom("data", "files"))),
          schedule: some(schedule),
        }),
      ),
    }),
  ),
  firewall: some(
    fc.oneof(
      fc.constant("none" as const),
      fc.record({
        allow: few(
          fc.constantFrom<unknown>("ssh", "http", "https", 7300, "6000-6010/udp", {
            port: 5432,
            from: ["192.0.2.0/24"],
          }),
        ),
      }),
    ),
  ),
  host: some(
    fc.record({
      hostname: some(fc.constantFrom("h1", "h1.example.org")),
      swap: some(fc.constantFrom("1G", 0)),
      timezone: some(fc.constant("Europe/Berlin")),
      updates: some(fc.constantFrom("all", "none")),
      sysctl: some(fc.constantFrom({ "vm.swappiness": 10 }, { "net.ipv4.ip_forward": 1 })),
    }),
  ),
});

export const systems = distributions.map(({ id, version }) => ({ distribution: id, version }));

export type AnySystem = (typeof systems)[number];

/**
 * Reads it; what is complained about is taken out, as by a user who wants to get on with it.
 * @returns undefined where too much is wrong
 */
export function readAny(
  first: unknown,
): { readonly manifest: Manifest; readonly warnings: string } | undefined {
  const written = structuredClone(first);
  for (let round = 0; round < 12; round += 1) {
    const { manifest, problems } = parseManifest(
      JSON.stringify(written, undefined, 1),
      "hostkit.yaml",
    );
    if (manifest !== undefined) return { manifest, warnings: formatProblems(problems) };
    const wrong = problems.filter(({ severity }) => severity === "error");
    expect(wrong).not.toEqual([]);
    for (const { line, path: at, message } of wrong) {
      expect(line, `${at}: ${message}`).toBeGreaterThan(0);
      dropAt(written, at);
    }
  }
  return undefined;
}

function dropAt(written: unknown, place: string): void {
  const parts = [...place.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, plain]) => quoted ?? plain ?? Number(index),
  );
  const last = parts.pop();
  let at = written as Record<string | number, unknown> | undefined;
  for (const part of parts) at = at?.[part] as Record<string | number, unknown> | undefined;
  if (at === undefined || last === undefined) return;
  if (Array.isArray(at)) at.splice(Number(last), 1);
  else delete at[last];
}

const textOf: Readonly<Record<string, string>> = {
  ".env": "A=1\nB=two words\n",
  "b.env": "PORT=1\n",
};

/** All resources of a manifest, with the contents of its files made up. */
export function resolveAny(
  read: Manifest,
  system: AnySystem,
  templates: ReadonlyMap<string, string>,
): Resource[] {
  const blobs = new Map<string, Blob | ImageArchive>();
  const texts = new Map<string, string>();
  for (const { path: file, kind } of listReferencedFiles(read)) {
    const type = kind === "build-context" ? "tree" : "file";
    const blob: Blob = { path: `/x/${file}`, sha256: "ab".repeat(32), size: 10, type };
    const images = [{ platform: "linux/amd64", config: "{}", layers: [] }];
    blobs.set(file, kind === "image-archive" ? { ...blob, packing: "none", images } : blob);
    texts.set(file, textOf[file] ?? "text\n");
    if (kind === "migrations") texts.set(`${file}/0001_init.sql`, "create table t (id int);\n");
  }
  return resolveStack({
    manifest: read,
    host: "h",
    system: { ...system, architecture: "amd64" },
    hostname: "h",
    templates,
    blobs,
    texts,
    secrets: new Map(read.secrets.map((each) => [each.name, `value of ${each.name}`])),
    isLab: false,
  });
}
