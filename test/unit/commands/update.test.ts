import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runHostkit } from "../../harness/run-hostkit.ts";

/** What the registry of these tests has, by `repository:tag`; asked with the right password alone. */
const has = new Map<string, string>();
const password = "tell-nobody";
const basic = `Basic ${Buffer.from(`bot:${password}`).toString("base64")}`;
const registry = createServer((request, response) => {
  const [, repository = "", tag = ""] =
    /^\/v2\/(.*)\/manifests\/(.*)$/.exec(request.url ?? "") ?? [];
  const body = has.get(`${repository}:${tag}`);
  if (request.headers.authorization !== basic)
    response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
  else if (body === undefined) response.writeHead(404).end("{}");
  else
    response
      .writeHead(200, { "docker-content-digest": digestOf(body) })
      .end(request.method === "HEAD" ? undefined : body);
});
const digestOf = (body: string) => `sha256:${createHash("sha256").update(body).digest("hex")}`;
const push = (image: string, what: string): string => {
  const platform = { os: "linux", architecture: "amd64" };
  const body = JSON.stringify({ what, manifests: [{ digest: digestOf(what), platform }] });
  has.set(image, body);
  return digestOf(body);
};

let folder: string;
let name: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-update-"));
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
  name = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
  has.clear();
});
afterEach(async () => {
  registry.close();
  await rm(folder, { recursive: true, force: true });
});

const hostkit = (...words: string[]) =>
  runHostkit(words, { workingDirectory: folder, environment: { REGISTRY: password } });
const update = (...words: string[]) => hostkit("update", "--here", ...words);
const lockText = (file = "hostkit.lock") => readFile(path.join(folder, file), "utf8");

/** Services by name, with the image that they are made from. */
async function write(
  services: Readonly<Record<string, string>>,
  file = "hostkit.yaml",
): Promise<void> {
  const lines = Object.entries(services).map(([key, image]) => `  ${key}: { image: "${image}" }\n`);
  await writeFile(
    path.join(folder, file),
    `stack: s\nhosts: { h: 192.0.2.1 }\nservices:\n${lines.join("")}registries: { "${name}": { user: bot, password: REGISTRY } }\n`,
  );
}

test("pins, says what is newer, takes it, and forgets what nobody names", async () => {
  const one = push("a:1", "one");
  push("b:1", "b");
  await write({ a: `${name}/a:1`, b: `${name}/b:1`, c: `${name}/a:1` });
  const unpinned = await hostkit("check");
  expect(unpinned.exitCode).toBe(65);
  expect(unpinned.stderr).toContain("hostkit.yaml:4:15 services.a.image");
  expect((await update("--check")).exitCode).toBe(2);
  expect(await readdir(folder)).not.toContain("hostkit.lock");
  const first = await update();
  expect(first.exitCode, first.stderr).toBe(0);
  expect(first.stdout).toContain(`a, c  ${name}/a:1  not pinned → ${one.slice(0, 19)}…`);
  expect((await hostkit("check")).exitCode).toBe(0);
  const same = await update("--check");
  expect(same).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("2 images") as string,
  });

  const two = push("a:1", "two");
  const newer = await update("--check");
  expect(newer.exitCode).toBe(2);
  expect(newer.stdout).toContain(`${one.slice(0, 19)}… → ${two.slice(0, 19)}…`);
  expect(await lockText()).toContain(one);
  const other = await update("b");
  expect(other.exitCode, other.stderr).toBe(0);
  expect(await lockText()).toContain(one);
  await update("c");
  expect(await lockText()).toContain(two);

  await write({ a: `${name}/a:1` });
  const gone = await update("--check", "--json");
  expect(gone.exitCode).toBe(2);
  expect(JSON.parse(gone.stdout)).toMatchObject({
    file: "hostkit.lock",
    written: false,
    gone: [`${name}/b:1`],
    images: [{ image: `${name}/a:1`, state: "same", digest: two }],
  });
  await update();
  expect(await lockText()).not.toContain("/b:1");
  await write({ a: `${name}/a@${two}` });
  const none = await update();
  expect(none.exitCode, none.stderr).toBe(0);
  expect(await readdir(folder)).toEqual(expect.not.arrayContaining(["hostkit.lock"]));
});

test("two manifests in one folder have a lock each", async () => {
  push("a:1", "one");
  push("b:1", "b");
  await write({ a: `${name}/a:1` });
  await write({ b: `${name}/b:1` }, "staging.yaml");
  await update();
  await update("-f", "staging.yaml");
  expect(await lockText()).toContain("/a:1");
  expect(await lockText("staging.lock")).toContain("/b:1");
});

test("one that cannot be looked up: nothing is written, and what failed is told without the password", async () => {
  push("a:1", "one");
  await write({ a: `${name}/a:1`, b: `${name}/b:1`, c: `${name}/c:1` });
  const failed = await update();
  expect(failed.exitCode).toBe(65);
  expect(failed.stderr).toContain(`has no repository b`);
  expect(failed.stderr).toContain(`has no repository c`);
  expect(failed.stderr + failed.stdout).not.toContain(password);
  expect(await readdir(folder)).not.toContain("hostkit.lock");
});

test("a secret without a value is told with its place", async () => {
  await write({ a: `${name}/a:1` });
  const failed = await runHostkit(["update", "--here"], { workingDirectory: folder });
  expect(failed.exitCode).toBe(65);
  expect(failed.stderr).toMatch(/registries\["127.*password: the secret REGISTRY has no value/);
});

test.each([
  ["a service that is not there", "x", /no service "x"/],
  ["one that is pinned by hand", "b", /pinned in the manifest itself/],
])("%s", async (_what, service, says) => {
  await write({ a: `${name}/a:1`, b: `${name}/b@sha256:${"0".repeat(64)}` });
  const failed = await update(service);
  expect(failed.exitCode).toBe(64);
  expect(failed.stderr).toMatch(says);
});

test.each([
  ["not merged", "version: 1\n<<<<<<< ours\n", /not merged/],
  ["of a newer hostkit", "version: 9\nimages: {}\n", /newer hostkit/],
  ["bytes", "\u0000\u0001", /hostkit\.lock/],
])("a lock that is %s stops update and check, and stays", async (_what, text, says) => {
  push("a:1", "one");
  await write({ a: `${name}/a:1` });
  await writeFile(path.join(folder, "hostkit.lock"), text);
  for (const result of [await update(), await hostkit("check")]) {
    expect(result.exitCode).toBe(65);
    expect(result.stderr).toMatch(says);
  }
  expect(await lockText()).toBe(text);
});

test("the lock replaces a link and what an update that was killed left, and follows neither", async () => {
  push("a:1", "one");
  await write({ a: `${name}/a:1` });
  await writeFile(path.join(folder, "other"), "mine");
  await symlink("other", path.join(folder, "hostkit.lock.hostkit-new"));
  const done = await update();
  expect(done.exitCode, done.stderr).toBe(0);
  expect(await readFile(path.join(folder, "other"), "utf8")).toBe("mine");
  expect((await readdir(folder)).sort()).toEqual([
    ".local",
    "hostkit.lock",
    "hostkit.yaml",
    "other",
  ]);
});

test("a wrong password is refused, and is in nothing that is said", async () => {
  push("a:1", "one");
  await write({ a: `${name}/a:1` });
  const failed = await runHostkit(["update", "--here", "--verbose"], {
    workingDirectory: folder,
    environment: { REGISTRY: "not-that-one" },
  });
  expect(failed.exitCode).toBe(77);
  expect(failed.stderr).toContain("does not take the user bot with this password");
  expect(failed.stderr).not.toContain("not-that-one");
});
