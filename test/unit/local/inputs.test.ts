import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readLocalFiles } from "../../../src/local/inputs.ts";
import { readManifest, requireManifest } from "../../../src/local/manifest.ts";
import { resolvePath } from "../../../src/local/paths.ts";
import { readSecrets } from "../../../src/local/secrets/read-secrets.ts";
import { formatProblem } from "../../../src/manifest/parse.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-inputs-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(text: string) {
  await writeFile(path.join(folder, "hostkit.yaml"), text);
  const loaded = await readManifest("hostkit.yaml", folder);
  return { loaded, manifest: requireManifest(loaded) };
}

const head = "stack: tiny\nhosts: { one: { address: one.invalid } }\n";

test.each([
  ["~/.ssh/key", "/home/ann/.ssh/key"],
  ["../up", "/home/bob/up"],
  ["/absolute", "/absolute"],
  ["~other/x", "/home/bob/stack/~other/x"],
])("resolvePath(%s)", (written, expected) => {
  expect(resolvePath(written, "/home/bob/stack", "/home/ann")).toBe(expected);
});

describe("readSecrets", () => {
  const text = `${head}secrets: { PLAIN: null, RENAMED: { env: OTHER }, FILED: { file: token } }\n`;

  test("takes them from the environment, the dotenv file, renamed variables and files", async () => {
    const { loaded, manifest } = await load(text);
    await mkdir(path.join(folder, ".hostkit"));
    await writeFile(path.join(folder, ".hostkit/secrets"), 'PLAIN="from the file"\n', {
      mode: 0o600,
    });
    await writeFile(path.join(folder, "token"), "one line\n");
    const read = (environment: Record<string, string>) =>
      readSecrets(loaded, manifest, environment);
    const { secrets, problems } = await read({ OTHER: "other" });
    expect(problems).toEqual([]);
    expect(Object.fromEntries(secrets)).toEqual({
      PLAIN: "from the file",
      RENAMED: "other",
      FILED: "one line",
    });
    expect((await read({ OTHER: "other", PLAIN: "from outside" })).secrets.get("PLAIN")).toBe(
      "from outside",
    );
    expect((await read({ OTHER: "other", PLAIN: "" })).secrets.get("PLAIN")).toBe("from the file");
    await writeFile(path.join(folder, "token"), "-----BEGIN KEY-----\nabc\n-----END KEY-----\n");
    expect((await read({ OTHER: "other" })).secrets.get("FILED")).toMatch(/-----\n$/);
  });

  test.each([
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0x80), Uint8Array.of(0xff, 0xfe, 0x80)],
    ["bytes with a line's end", Uint8Array.of(0xff, 0x0a), Uint8Array.of(0xff, 0x0a)],
    ["NUL and a line's end", Buffer.from("a\0\n"), Uint8Array.of(0x61, 0, 0x0a)],
    ["a line", Buffer.from("a \r\n"), "a "],
    ["two lines", Buffer.from("a\nb\n"), "a\nb\n"],
    ["a mark", Buffer.from("\uFEFFa"), "\uFEFFa"],
  ])("a file's value: %s", async (_name, bytes, value) => {
    const { loaded, manifest } = await load(`${head}secrets: { FILED: { file: token } }\n`);
    await writeFile(path.join(folder, "token"), bytes);
    const { secrets, problems } = await readSecrets(loaded, manifest, {});
    expect(problems).toEqual([]);
    const found = secrets.get("FILED");
    expect(typeof found === "string" ? found : Uint8Array.from(found ?? [])).toEqual(value);
  });

  test("an environment variable whose bytes were no text is told", async () => {
    const { loaded, manifest } = await load(`${head}secrets: { A: null }\n`);
    const { problems } = await readSecrets(loaded, manifest, { A: "K\uFFFDln" });
    expect(problems.map(({ message }) => message)).toEqual([
      "the value of the secret A is not UTF-8 text: give it as a file (secrets: { A: { file: … } })",
    ]);
  });

  test("what systemd would not hand to a service is told before", async () => {
    const { loaded, manifest } = await load(
      `${head}services: { w: { exec: [/bin/true], secrets: [BIG] } }\nsecrets: { BIG: { file: big } }\n`,
    );
    await writeFile(path.join(folder, "big"), Buffer.alloc(1024 * 1024 + 1, 0x61));
    const { problems } = await readSecrets(loaded, manifest, {});
    expect(problems.map(({ path: at, message }) => `${at}: ${message}`)).toEqual([
      "services.w.secrets[0]: the secret BIG has 1048577 bytes; systemd hands 1048576 to a service at most, all together",
    ]);
  });

  test("tells all missing ones at once, and no values", async () => {
    const { loaded, manifest } = await load(text);
    const { problems } = await readSecrets(loaded, manifest, {});
    expect(problems.map(formatProblem)).toEqual([
      "hostkit.yaml:3:57 secrets.FILED: the secret FILED cannot be read from token: it does not exist",
      expect.stringContaining("PLAIN has no value"),
      expect.stringContaining("put it into the environment variable OTHER"),
    ]);
  });

  test("a dotenv file that others may read is a warning", async () => {
    const { loaded, manifest } = await load(`${head}secrets: { A: null }\n`);
    await mkdir(path.join(folder, ".hostkit"));
    await writeFile(path.join(folder, ".hostkit/secrets"), "A=value\n");
    await chmod(path.join(folder, ".hostkit/secrets"), 0o644);
    const { problems, secrets } = await readSecrets(loaded, manifest, {});
    expect(problems.map(({ severity }) => severity)).toEqual(["warning"]);
    expect(secrets.get("A")).toBe("value");
  });
});

describe("certificates", () => {
  const openssl = (...words: string[]) => promisify(execFile)("openssl", words, { cwd: folder });
  const site = `${head}web: { api: { image: "a/b@sha256:${"0".repeat(64)}", port: 80 } }
proxy: { sites: { shop.example.org: { tls: { certificate: c.pem, key: k.pem }, routes: { "/*": api } } } }\n`;
  const problemsOf = async () => {
    const { loaded, manifest } = await load(site);
    const { problems } = await readLocalFiles(loaded, manifest, { home: folder, now: Date.now() });
    return problems.map(({ path: where, message }) => `${where}: ${message}`);
  };
  const issue = (name: string, key = "k.pem") =>
    openssl(
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
      ],
      ...[
        "-keyout",
        key,
        "-out",
        "c.pem",
        "-subj",
        "/CN=x",
        "-addext",
        `subjectAltName=DNS:${name}`,
      ],
    );

  test("fit", async () => {
    await issue("shop.example.org");
    expect(await problemsOf()).toEqual([]);
  });

  test("for another name", async () => {
    await issue("other.example.org");
    expect(await problemsOf()).toEqual([
      expect.stringContaining(
        "the certificate is not for shop.example.org, but for DNS:other.example.org",
      ),
    ]);
  });

  test("of another key", async () => {
    await issue("shop.example.org");
    await openssl("genpkey", "-algorithm", "ed25519", "-out", "k.pem");
    expect(await problemsOf()).toEqual([
      expect.stringContaining("the key does not belong to the certificate"),
    ]);
  });

  test("expired", async () => {
    await issue("shop.example.org");
    const { loaded, manifest } = await load(site);
    const later = Date.now() + 10 * 86_400_000;
    const { problems } = await readLocalFiles(loaded, manifest, { home: folder, now: later });
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("the certificate ended on"),
    ]);
  });

  test("no certificate at all", async () => {
    for (const file of ["c.pem", "k.pem"]) await writeFile(path.join(folder, file), "hello");
    expect(await problemsOf()).toEqual([expect.stringContaining("this is not a PEM certificate")]);
  });
});

test("files are keyed as the manifest writes them", async () => {
  const { loaded, manifest } =
    await load(`${head}database: { databases: { d: { owner: o, migrations: db/ } } }
services: { worker: { package: ./w.deb, env_file: ../${path.basename(folder)}/w.env } }
web: { api: { build: { context: api, dockerfile: docker/Dockerfile }, port: 80 } }\n`);
  await mkdir(path.join(folder, "db"));
  await mkdir(path.join(folder, "api/docker"), { recursive: true });
  await writeFile(path.join(folder, "db/1.sql"), "select 1;");
  await writeFile(path.join(folder, "w.deb"), "!<arch>\n");
  await writeFile(path.join(folder, "w.env"), "A=1\n");
  await writeFile(path.join(folder, "api/docker/Dockerfile"), "FROM scratch\n");
  await writeFile(path.join(folder, "api/.dockerignore"), "docker\n");
  const { blobs, texts, migrations, problems } = await readLocalFiles(loaded, manifest, {
    home: folder,
    now: 0,
  });
  expect(problems).toEqual([]);
  expect([...migrations]).toEqual([["db/", [{ name: "1.sql", text: "select 1;" }]]]);
  expect([...texts]).toEqual([
    [`../${path.basename(folder)}/w.env`, "A=1\n"],
    ["api/docker/Dockerfile", "FROM scratch\n"],
  ]);
  expect(blobs.get("./w.deb")).toMatchObject({
    path: path.join(folder, "w.deb"),
    size: 8,
    type: "file",
  });
  // The Dockerfile is sent even when it is ignored, as docker does.
  expect(blobs.get("api")?.entries).toEqual([".dockerignore", "docker/Dockerfile"]);
});

describe("names that are not UTF-8 in a build context", () => {
  const latin = (name: string) => Buffer.from(path.join(folder, "api", name), "latin1");
  const problemsOf = async () => {
    const { loaded, manifest } = await load(`${head}web: { api: { build: api, port: 80 } }\n`);
    const { problems } = await readLocalFiles(loaded, manifest, { home: folder, now: 0 });
    return problems.map(({ message }) => message);
  };
  beforeEach(async () => {
    await mkdir(path.join(folder, "api"));
    await writeFile(path.join(folder, "api/Dockerfile"), "FROM scratch\n");
  });

  test("are told as they are", async () => {
    await writeFile(latin("caf\xe9.txt"), "x");
    expect(await problemsOf()).toEqual([
      String.raw`the build context api: the name of caf\xe9.txt is not UTF-8, and would be another one in the image; rename it, or name it in .dockerignore`,
    ]);
  });

  test("stay behind where .dockerignore says so, folders too", async () => {
    await writeFile(latin("caf\xe9.txt"), "x");
    await mkdir(latin("f\xfcr"));
    await writeFile(path.join(folder, "api/.dockerignore"), "*.txt\nf*\n");
    expect(await problemsOf()).toEqual([]);
  });

  test("are told of links' targets too", async () => {
    await symlink(Buffer.from("caf\xe9", "latin1"), path.join(folder, "api/link"));
    expect(await problemsOf()).toEqual([
      expect.stringContaining("the target of the link link is not UTF-8"),
    ]);
  });
});
