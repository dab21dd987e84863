import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseManifest, problemAt } from "../../../src/manifest/parse.ts";
import { listReferencedFiles } from "../../../src/manifest/references.ts";

const text = readFileSync(
  join(import.meta.dirname, "../../cases/manifest/good/every-key.yaml"),
  "utf8",
);
const parsed = parseManifest(text, "hostkit.yaml");

test("every local path is listed with its kind, and points at the line that names it", () => {
  const references = parsed.manifest === undefined ? [] : listReferencedFiles(parsed.manifest);
  expect(references.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    "migrations db/app",
    "image-archive images/worker.tar",
    "env-file .env.worker",
    "build-context ./api",
    "dockerfile ./api/docker/Dockerfile",
    "build-context ./base",
    "dockerfile ./base/Dockerfile",
    "build-context ./plain",
    "dockerfile ./plain/Dockerfile",
    "image-archive images/tools.tar",
    "registry-ca certs/registry.pem",
    "ca-root certs/root.pem",
    "certificate certs/b.pem",
    "private-key certs/b.key",
    "identity keys/box",
    "secret-file secrets/api",
  ]);
  const lines = text.split("\n");
  for (const { path, kind, pointer } of references) {
    const folder = path.replace(/(?:\/docker)?\/Dockerfile$/, "");
    const { line, column } = parsed.locate(pointer);
    const isBuild = ["build-context", "dockerfile"].includes(kind);
    const there = lines[line - 1]?.slice(column - 1).replace(/^\{ context: /, "") ?? "";
    expect(there.startsWith(isBuild ? folder : path), `${kind} at ${line}:${column}`).toBe(true);
  }
});

test("a problem found later has the shape and the place of the others", () => {
  const problem = problemAt(
    parsed,
    ["proxy", "sites", "b.example.org", "tls", "key"],
    "is missing",
  );
  expect(problem).toMatchObject({
    file: "hostkit.yaml",
    path: 'proxy.sites["b.example.org"].tls.key',
    line: 40,
  });
});

test("a place that is not in the text is that of its nearest parent", () => {
  expect(parsed.locate(["web", "api", "nowhere", 3])).toEqual(
    parsed.locate(["web", "api", "other"]),
  );
  expect(parsed.locate([])).toEqual({ line: 1, column: 1 });
});
