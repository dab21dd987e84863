import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHostkit } from "../../harness/run-hostkit.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "hostkit-one-off-"));
  const manifest = (hosts: string): string =>
    `stack: s\nhosts: { ${hosts} }\nservices: { worker: { exec: /bin/sleep 9 } }\nweb: { api: { image: "a.example/b@sha256:${"0".repeat(64)}", port: 80 } }\n`;
  writeFileSync(path.join(folder, "hostkit.yaml"), manifest("h1: { address: 192.0.2.1 }"));
  writeFileSync(
    path.join(folder, "two.yaml"),
    manifest("h1: { address: 192.0.2.1 }, h2: { address: 192.0.2.2 }"),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** None of these reaches a host. */
test.each([
  { words: ["exec", "nobody", "--", "true"], said: 'the stack has no service "nobody"' },
  { words: ["exec", "api", "ls", "--json"], said: "hostkit exec api -- ls" },
  { words: ["exec", "api", "ls", "--", "-l"], said: "stands behind `--`" },
  { words: ["run", "api", "ls"], said: "hostkit run api -- ls" },
  { words: ["exec", "worker"], said: "hostkit exec worker -- sh" },
  { words: ["run", "worker"], said: "no login shell" },
  {
    words: ["exec", "worker", "--replica", "2", "--", "true"],
    said: "--replica is for containers",
  },
  { words: ["exec", "api", "--replica", "9", "--", "true"], said: "a number from 1 to 8" },
  {
    words: ["run", "worker", "--no-entrypoint", "--", "true"],
    said: "--no-entrypoint is for containers",
  },
  { words: ["run", "api", "--detach"], said: "nobody can type into" },
  { words: ["exec", "api", "--json", "--", "true"], said: "--json is for --detach" },
  { words: ["exec", "api", "-e", "TOKEN=sesame", "--", "true"], said: "next:  export TOKEN=…" },
  { words: ["exec", "api", "-e", "TOKEN", "--", "true"], said: "no variable TOKEN here" },
  { words: ["exec", "api", "-e", "a b", "--", "true"], said: 'not "a b"' },
  { words: ["run", "api", "--", "x".repeat(200_000)], said: "at most 131072" },
  { words: ["run", "api", "-f", "two.yaml", "--", "--json"], said: "hostkit run api --host h1" },
  { words: ["run", "api", "-f", "not-there.yaml", "--", "true"], said: "[file_missing]" },
])("hostkit $words: 125, and why", async ({ words, said }) => {
  const { exitCode, stdout, stderr } = await runHostkit(words, { workingDirectory: folder });
  expect(stdout + stderr).toContain(said);
  expect(stdout + stderr).not.toContain("sesame");
  expect(exitCode).toBe(125);
});
