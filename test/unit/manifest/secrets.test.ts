import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { formatPointer } from "../../../src/manifest/problems.ts";
import { listReferencedFiles, type ReferenceKind } from "../../../src/manifest/references.ts";
import { namedSecrets } from "../../../src/manifest/secrets.ts";

const head = "stack: app\nhosts: { h: { address: h.example.org } }\n";
const read = (text: string) => parseManifest(text, "hostkit.yaml");
const everyKey = readFileSync(
  path.resolve(import.meta.dirname, "../../cases/manifest/good/every-key.yaml"),
  "utf8",
);

describe("the enumeration of secrets", () => {
  test.each([
    ["nothing", "", []],
    [
      "a service",
      "services: { w: { exec: /bin/w, secrets: [B, A], env_file: .env } }",
      [
        "services.w.secrets[0] service B",
        "services.w.secrets[1] service A",
        "services.w.env_file environment .env",
      ],
    ],
    [
      "a web service",
      `web: { api: { image: "a/b@sha256:${"0".repeat(64)}", port: 80, secrets: [A] } }`,
      ["web.api.secrets[0] service A"],
    ],
    [
      "a repository",
      "backups: { repositories: { s: { bucket: bbb, endpoint: 'https://s3.example.org', access_key: A, secret_key: B, passphrase: P } }, files: { paths: [/etc] } }",
      [
        "backups.repositories.s.passphrase repository P",
        "backups.repositories.s.access_key repository A",
        "backups.repositories.s.secret_key repository B",
      ],
    ],
  ])("%s", (_what, text, expected) => {
    const { secrets } = read(`${head}${text}\n`);
    const told = secrets.map(
      (use) =>
        `${formatPointer(use.pointer)} ${use.purpose} ${"name" in use ? use.name : use.path}`,
    );
    expect(told).toEqual(expected);
  });

  test("has every name that the manifest has a source for", () => {
    const { secrets, manifest } = read(everyKey);
    const names = new Set(namedSecrets(secrets).map(({ name }) => name));
    expect(
      [...names].filter((name) => !manifest?.secrets.some((one) => one.name === name)),
    ).toEqual([]);
    expect(names.size).toBeGreaterThan(2);
  });

  test("has every file that holds a secret", () => {
    const { secrets, manifest } = read(everyKey);
    if (manifest === undefined) throw new Error("every-key.yaml has problems");
    const secret: readonly ReferenceKind[] = ["identity", "private-key", "env-file"];
    const files = listReferencedFiles(manifest).filter(({ kind }) => secret.includes(kind));
    const known = new Set(secrets.map(({ pointer }) => formatPointer(pointer)));
    expect(
      files.map(({ pointer }) => formatPointer(pointer)).filter((at) => !known.has(at)),
    ).toEqual([]);
    expect(new Set(files.map(({ kind }) => kind))).toEqual(new Set(secret));
  });

  test("is also there while the manifest has mistakes, and empty where nobody can read it", () => {
    const wrong = "services: { w: { exec: /bin/w, secrets: [A], after: [x] } }\n";
    expect(read(head + wrong).secrets).toHaveLength(1);
    expect(read("stack: [").secrets).toEqual([]);
  });
});
