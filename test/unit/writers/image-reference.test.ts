import { describe, expect, test } from "vitest";
import { writeDockerConfig } from "../../../src/writers/docker-config.ts";
import {
  addressOfRegistry,
  readImageReference,
  shortenImage,
} from "../../../src/writers/image-reference.ts";

describe("names of images, as Docker reads them", () => {
  test.each([
    ["redis", "redis", "docker.io", "library/redis", undefined],
    ["redis:7", "redis", "docker.io", "library/redis", "7"],
    ["docker.io/redis:7", "docker.io/redis", "docker.io", "library/redis", "7"],
    ["index.docker.io/a/b", "docker.io/a/b", "docker.io", "a/b", undefined],
    ["bitnami/redis:7", "bitnami/redis", "docker.io", "bitnami/redis", "7"],
    ["GHCR.io/a/b:1", "ghcr.io/a/b", "ghcr.io", "a/b", "1"],
    ["localhost/a", "localhost/a", "localhost", "a", undefined],
    ["localhost:5000", "localhost", "docker.io", "library/localhost", "5000"],
    ["localhost:5000/a:b", "localhost:5000/a", "localhost:5000", "a", "b"],
    ["[fd00::1]:5000/a", "[fd00::1]:5000/a", "[fd00::1]:5000", "a", undefined],
  ])("%s", (written, name, registry, repository, tag) => {
    expect(readImageReference(written)).toEqual({
      ...{ name, registry, repository },
      ...(tag === undefined ? {} : { tag }),
    });
  });

  test.each([
    ["docker.io", "registry-1.docker.io", 443, false],
    ["ghcr.io", "ghcr.io", 443, false],
    ["registry.example.org:5000", "registry.example.org", 5000, false],
    ["localhost:5000", "localhost", 5000, true],
    ["127.0.0.2:5000", "127.0.0.2", 5000, true],
    ["127.evil.example", "127.evil.example", 443, false],
    ["[fd00::1]:5000", "fd00::1", 5000, false],
    ["[::1]", "::1", 80, true],
  ])("%s answers at %s, port %d", (registry, host, port, isLoopback) => {
    expect(addressOfRegistry(registry)).toEqual({ host, port, isLoopback });
  });

  test("are shown short", () => {
    const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
    expect(shortenImage(readImageReference("a/b:1"), digest)).toBe("a/b:1@sha256:0123456789ab…");
  });
});

test("Docker's config.json has the bytes of the password, and its Hub under the name that Docker looks for", () => {
  const text = writeDockerConfig([
    { registry: "ghcr.io", user: "bot", password: 'p"\\$(id)\u00fc' },
    { registry: "docker.io", user: "bot", password: new Uint8Array([0xff, 0]) },
  ]);
  const { auths } = JSON.parse(text) as { auths: Record<string, { auth: string }> };
  expect(Object.keys(auths)).toEqual(["https://index.docker.io/v1/", "ghcr.io"]);
  const decode = (name: string) => Buffer.from(auths[name]?.auth ?? "", "base64");
  expect(decode("ghcr.io").toString("utf8")).toBe('bot:p"\\$(id)\u00fc');
  expect([...decode("https://index.docker.io/v1/")]).toEqual([...Buffer.from("bot:"), 0xff, 0]);
});
