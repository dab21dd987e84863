import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../../src/errors.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import type { AnyService } from "../../../../src/manifest/schema.ts";
import { findService, servicesOf } from "../../../../src/manifest/services.ts";
import { nativePlaces } from "../../../../src/stack/services/native-service.ts";
import { containerPlaces } from "../../../../src/stack/services/slot.ts";
import { fillVariables } from "../../../../src/stack/services/variables.ts";
import type { OpenValue, SecretFile } from "../../../../src/stack/services/variables.ts";
import { describeWorkload } from "../../../../src/stack/services/workload.ts";
import type { Workload } from "../../../../src/stack/services/workload.ts";

const digest = `r.example.org/x@sha256:${"0".repeat(64)}`;
const key: SecretFile = { kind: "given", name: "KEY", value: "value of KEY" };
const password = {
  kind: "made",
  name: "DATABASE_PASSWORD",
  path: "/etc/hostkit/s/database/x.password",
} as const;
const passFile = {
  kind: "made",
  name: "pgpass",
  path: "/etc/hostkit/s/database/x.pgpass",
} as const;
const database = "database: { databases: { app: { owner: app_owner } } }\n";

function inputsOf(yaml: string, secrets = ["KEY"]) {
  const { manifest, problems } = parseManifest(
    `stack: s\nhosts: { h: { address: h.example.org } }\n${yaml}`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  const blob = (type: "file" | "tree") => ({ path: "/p", sha256: "aa", size: 1, type });
  return {
    manifest,
    system: { distribution: "debian", version: "13", architecture: "amd64" },
    blobs: new Map([
      ["./x", blob("tree")],
      ["p.deb", blob("file")],
    ]),
    texts: new Map([[".env", "A=file\nB=file\n"]]),
    secrets: new Map(secrets.map((name) => [name, `value of ${name}`])),
  };
}

function workloadOf(yaml: string, secrets?: string[]): Workload {
  const inputs = inputsOf(yaml, secrets);
  return describeWorkload(inputs, findService(inputs.manifest, "x") as AnyService);
}

const file = (secret: SecretFile): OpenValue => [{ place: "file", file: secret }];

const table: readonly (readonly [says: string, yaml: string, expected: Partial<Workload>])[] = [
  [
    "a program with nothing said has the defaults",
    "services: { x: { exec: /bin/x --y } }",
    {
      ...{ kind: "service", stack: "s", name: "x", user: "s-x", hasOwnUser: false },
      ...{ command: ["/bin/x", "--y"], told: {}, environment: {}, secretFiles: [] },
      ...{ mounts: [], ports: [], after: [], graceSeconds: 60, isExclusive: true },
      resources: { memoryBytes: 1024 ** 3, pids: 512 },
      runs: { as: "program", source: { kind: "exec" } },
    },
  ],
  [
    "a web service is told its port, and how it is seen to be well is said",
    `web: { x: { image: "${digest}", port: 8080, replicas: 2, health: { path: /h, grace: 9s } } }`,
    {
      ...{ kind: "web", port: 8080, replicas: 2, graceSeconds: 9, isExclusive: false },
      told: { PORT: ["8080"] },
      health: { path: "/h", intervalSeconds: 10, timeoutSeconds: 5, graceSeconds: 9, retries: 3 },
      runs: {
        as: "image",
        reference: digest,
        source: {
          kind: "pull",
          service: "x",
          registry: "r.example.org",
          shown: "r.example.org/x@sha256:000000000000…",
          architecture: "amd64",
        },
      },
    },
  ],
  [
    "a published port, or data, lets only one run at once",
    `web: { x: { image: "${digest}", port: 80, ports: ["7300:7301/udp"] } }`,
    { ports: [{ outside: 7300, inside: 7301, protocol: "udp" }], isExclusive: true },
  ],
  [
    "stateful is one at once too, with its mounts as the manifest names them",
    `web: { x: { image: "${digest}", port: 80, stateful: true, volumes: ["data:/d", "/srv/a:/a:ro"] } }`,
    {
      isExclusive: true,
      mounts: [
        { kind: "bind", source: "/srv/a", path: "/a", readOnly: true },
        { kind: "named", name: "data", path: "/d", readOnly: false },
      ],
    },
  ],
  [
    "env wins over the env file",
    "services: { x: { exec: /bin/x, env: { A: env }, env_file: .env } }",
    { environment: { A: "env", B: "file" } },
  ],
  [
    "where a secret's file is seen stays open",
    "services: { x: { exec: /bin/x, secrets: [KEY] } }",
    { secretFiles: [key], told: { KEY_FILE: file(key) } },
  ],
  [
    "the socket needs no password",
    `${database}services: { x: { exec: /bin/x, database: app } }`,
    {
      database: { name: "app", role: "app_owner", socket: "/run/postgresql" },
      secretFiles: [],
      told: {
        PGDATABASE: ["app"],
        PGUSER: ["app_owner"],
        PGHOST: ["/run/postgresql"],
        DATABASE_URL: ["postgresql:///app?host=/run/postgresql&user=app_owner"],
      },
    },
  ],
  [
    "by TCP the address stays open, and passwords are made on the host",
    `${database}services: { x: { exec: /bin/x, database: { tcp: true } } }`,
    {
      database: { name: "app", role: "app_owner" },
      secretFiles: [password, passFile],
      told: {
        PGDATABASE: ["app"],
        PGUSER: ["app_owner"],
        PGHOST: [{ place: "database" }],
        PGPORT: ["5432"],
        PGPASSFILE: file(passFile),
        DATABASE_PASSWORD_FILE: file(password),
        DATABASE_URL: ["postgresql://app_owner@", { place: "database" }, ":5432/app"],
      },
    },
  ],
  [
    "what starts before it, of both sections",
    `services: { x: { exec: /bin/x, after: [w, b] }, b: { exec: /bin/b }, other: { exec: /bin/o } }
web: { w: { image: "${digest}", port: 80 } }`,
    {
      after: [
        { name: "b", runtime: "native" },
        { name: "w", runtime: "container" },
      ],
    },
  ],
  [
    "a user of the manifest's, a watchdog, a package",
    "services: { x: { package: p.deb, user: shared, watchdog: 30s } }",
    {
      ...{ kind: "service", user: "shared", hasOwnUser: true, watchdogSeconds: 30 },
      runs: {
        as: "program",
        source: { kind: "package", deb: { path: "/p", sha256: "aa", size: 1, type: "file" } },
      },
    },
  ],
];

describe("a workload", () => {
  test.each(table)("%s", (_says, yaml, expected) => {
    expect(workloadOf(yaml)).toEqual({ ...workloadOf(yaml), ...expected });
  });

  test("a build's reference is its content's", () => {
    const build = (args: string) =>
      workloadOf(`services: { x: { build: { context: ./x, args: ${args} } } }`).runs;
    expect(build("{ A: b }")).toEqual(build("{ A: b }"));
    expect(build("{ A: c }")).not.toMatchObject({ reference: refOf(build("{ A: b }")) });
    expect(refOf(build("{}"))).toMatch(/^hostkit\/s-x:[0-9a-f]{16}$/);
  });

  test("a secret that nobody brought is named", () => {
    expect(() => workloadOf("services: { x: { exec: /bin/x, secrets: [KEY] } }", [])).toThrow(
      HostkitError,
    );
  });

  test("the same asked of another engine differs in what runs, and in nothing else", () => {
    const rest = `, port: 8080, secrets: [KEY], database: { tcp: true }, ports: [7300], env_file: .env } }`;
    const native = workloadOf(`${database}web: { x: { exec: /bin/x${rest}`);
    const container = workloadOf(
      `${database}web: { x: { image: "${digest}", command: /bin/x${rest}`,
    );
    expect({ ...native, runs: undefined }).toEqual({ ...container, runs: undefined });
    expect(fillVariables(native, nativePlaces(native))).toMatchObject({
      KEY_FILE: "/run/credentials/s-x.service/KEY",
      PGPASSFILE: passFile.path,
      DATABASE_URL: "postgresql://app_owner@127.0.0.1:5432/app",
      ...{ A: "file", PORT: "8080" },
    });
    expect(fillVariables(container, containerPlaces)).toMatchObject({
      KEY_FILE: "/run/secrets/KEY",
      PGPASSFILE: "/run/secrets/pgpass",
      DATABASE_URL: "postgresql://app_owner@169.254.54.32:5432/app",
      ...{ A: "file", PORT: "8080" },
    });
  });

  test("what the manifest says of a variable wins over what hostkit tells", () => {
    const workload = workloadOf(
      `web: { x: { image: "${digest}", port: 80, env: { PORT: "81" } } }`,
    );
    expect(fillVariables(workload, containerPlaces)).toEqual({ PORT: "81" });
  });
});

function refOf(runs: Workload["runs"]): string {
  return runs.as === "image" ? runs.reference : "";
}

test("servicesOf lists both sections, each by name, and each knows its own", () => {
  const { manifest } = inputsOf(
    `web: { b: { image: "${digest}", port: 80 }, a: { exec: /bin/a, port: 81 } }\nservices: { z: { exec: /bin/z } }`,
  );
  expect(servicesOf(manifest).map(({ section, name }) => `${section}.${name}`)).toEqual([
    ...["services.z", "web.a", "web.b"],
  ]);
});
