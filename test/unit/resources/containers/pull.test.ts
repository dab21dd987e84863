import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findCause } from "../../../../src/plan/log-cause.ts";
import { explainPull, pullScript } from "../../../../src/resources/containers/pull.ts";
import { dockerArchitectureOf } from "../../../../src/resources/containers/platforms.ts";
import type { PullSource } from "../../../../src/resources/containers/pull.ts";

const reference = `ghcr.io/a/b@sha256:${"0".repeat(64)}`;
const source: PullSource = {
  kind: "pull",
  service: "api",
  registry: "ghcr.io",
  shown: "ghcr.io/a/b:1@sha256:000000000000…",
  architecture: "amd64",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "hostkit-pull-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what Docker says of a pull that failed is told in the first line", () => {
  test.each([
    [
      "manifest for localhost:5000/a@sha256:00 not found: manifest unknown: manifest unknown",
      "the image was not found: ghcr.io no longer has ghcr.io/a/b:1@sha256:000000000000…",
    ],
    [
      'Get "https://nowhere.lab.example/v2/": dial tcp: lookup nowhere.lab.example on 10.0.0.1:53: no such host',
      "the registry could not be reached",
    ],
    [
      'Get "http://localhost:5999/v2/": dial tcp [::1]:5999: connect: connection refused',
      "the registry could not be reached",
    ],
    [
      'Get "https://ghcr.io/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
      "the registry could not be reached",
    ],
    [
      'Get "https://reg.example:5000/v2/": x509: certificate signed by unknown authority',
      "the certificate of ghcr.io is unknown to this host",
    ],
    [
      'Get "https://reg.example:5000/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      "the certificate of ghcr.io is unknown to this host",
    ],
    [
      'Get "https://reg.example:5000/v2/": http: server gave HTTP response to HTTPS client',
      "the pull failed: ghcr.io speaks plain HTTP",
    ],
    [
      'Head "https://reg.example:5000/v2/a/b/manifests/1": no basic auth credentials',
      "the pull was refused: ghcr.io wants a login",
    ],
    [
      "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
      "the pull was refused: ghcr.io wants a login",
    ],
    [
      "toomanyrequests: You have reached your pull rate limit.",
      "the pull was refused: ghcr.io allows no more pulls for now",
    ],
    [
      "no matching manifest for linux/amd64 in the manifest list entries: no match for platform in manifest: not found",
      "the image cannot run on this host, which is linux/amd64",
    ],
  ])("%s", async (said, told) => {
    const log = `Error response from daemon: ${said}\n`;
    await writeFile(path.join(folder, "docker.log"), log);
    const { stderr } = await execa("sh", ["-euc", explainPull(reference, source).text], {
      cwd: folder,
    });
    expect(stderr.startsWith(told), stderr).toBe(true);
    // What the run's error shows as its cause.
    expect(
      findCause(`${stderr}\ndocker could not pull the image; the last lines were:\n${log}`),
    ).toBe(stderr);
  });

  test("with a login it is the login that is not taken", async () => {
    await writeFile(path.join(folder, "docker.log"), "unauthorized: authentication required\n");
    const script = explainPull(reference, { ...source, config: "/etc/hostkit/s/registries" });
    const { stderr } = await execa("sh", ["-euc", script.text], { cwd: folder });
    expect(stderr).toContain("does not take the user or the password");
    expect(stderr).toContain('registries["ghcr.io"]');
  });

  test("of what nobody knows nothing is made up", async () => {
    await writeFile(
      path.join(folder, "docker.log"),
      "write /var/lib/docker/tmp: no space left on device\n",
    );
    const { stderr } = await execa("sh", ["-euc", explainPull(reference, source).text], {
      cwd: folder,
    });
    expect(stderr).toBe("");
  });
});

test("only pulls of a registry with a login are sent to it", () => {
  expect(pullScript(reference, source).text).toContain(`docker  pull -q ${reference}`);
  expect(pullScript(reference, { ...source, config: "/etc/hostkit/s/registries" }).text).toContain(
    `docker --config /etc/hostkit/s/registries pull -q ${reference}`,
  );
});

test.each([
  ["amd64", "amd64"],
  ["arm64", "arm64"],
  ["armhf", "arm"],
  ["i386", "386"],
  ["ppc64el", "ppc64le"],
])("dpkg's %s is Docker's %s", (dpkg, docker) => {
  expect(dockerArchitectureOf(dpkg)).toBe(docker);
});
