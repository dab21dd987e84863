import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { HostkitError } from "../../../../src/errors.ts";
import { openFromHere } from "../../../../src/local/registry/exchange.ts";
import { lookUpImage } from "../../../../src/local/registry/look-up.ts";
import type { RegistryAccess } from "../../../../src/local/registry/look-up.ts";
import { readImageReference } from "../../../../src/writers/image-reference.ts";

/** A registry in this process; on loopback plain HTTP is spoken, as Docker does. */
const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
}

async function serve(
  answer: (asked: Asked, origin: string) => Partial<Reply> | undefined,
): Promise<{ readonly name: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server: Server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { port } = server.address() as AddressInfo;
    const one = {
      method: request.method ?? "",
      url: request.url ?? "",
      authorization: request.headers.authorization,
    };
    asked.push(one);
    const {
      status = 200,
      headers = {},
      body = "",
    } = answer(one, `http://127.0.0.1:${port}`) ?? notFound("MANIFEST_UNKNOWN");
    response.writeHead(status, headers);
    response.end(one.method === "HEAD" ? undefined : body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { name: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const notFound = (code: string): Partial<Reply> => ({
  status: 404,
  body: JSON.stringify({ errors: [{ code, message: "no" }] }),
});
const sum = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

const index = JSON.stringify({
  schemaVersion: 2,
  manifests: [
    { digest: sum("a"), platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    { digest: sum("b"), platform: { os: "linux", architecture: "amd64" } },
    { digest: sum("c"), platform: { os: "unknown", architecture: "unknown" } },
  ],
});
const config = JSON.stringify({ os: "linux", architecture: "arm64" });
const plain = JSON.stringify({
  schemaVersion: 2,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: sum(config) },
});
const login = { user: "bot", password: new Uint8Array([0xff, 0x3a, 0x70]) };
const basic = `Basic ${Buffer.concat([Buffer.from("bot:"), login.password]).toString("base64")}`;

const lookUp = (
  registry: string,
  more: Partial<RegistryAccess> = {},
  known?: { digest: string; platforms: string[] },
) =>
  lookUpImage(
    readImageReference(`${registry}/team/api:1.2`),
    { open: openFromHere, from: "from this machine", ...more },
    known,
  );

async function failure(work: Promise<unknown>): Promise<HostkitError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HostkitError);
  return error as HostkitError;
}

describe("what a tag means", () => {
  test("an index: its own digest, and the platforms that can be run", async () => {
    const { name } = await serve(() => ({ body: index }));
    expect(await lookUp(name)).toEqual({
      digest: sum(index),
      platforms: ["linux/amd64", "linux/arm64/v8"],
    });
  });

  test("one image: the platform is in its configuration, which may lie elsewhere", async () => {
    const other = await serve(() => ({ body: config }));
    const { name } = await serve(({ url, authorization }) => {
      if (authorization === undefined)
        return { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } };
      return url.includes("/blobs/")
        ? { status: 307, headers: { location: `http://${other.name}/elsewhere` } }
        : { body: plain };
    });
    expect(await lookUp(name, { login })).toEqual({
      digest: sum(plain),
      platforms: ["linux/arm64"],
    });
    expect(other.asked.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test("what is the same still is asked for without a pull", async () => {
    const { name, asked } = await serve(() => ({
      headers: { "docker-content-digest": sum(index) },
      body: index,
    }));
    const known = { digest: sum(index), platforms: ["linux/amd64"] };
    expect(await lookUp(name, {}, known)).toBe(known);
    expect(asked.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test("a token is asked for with the password, and the registry gets the token alone", async () => {
    const { name, asked } = await serve(({ url, authorization }, origin) => {
      if (url.startsWith("/token")) return { body: JSON.stringify({ token: "t0ken" }) };
      return authorization === "Bearer t0ken"
        ? { body: index }
        : {
            status: 401,
            headers: {
              "www-authenticate": `Bearer realm="${origin}/token",service="reg, one",scope="repository:team/api:pull"`,
            },
          };
    });
    expect((await lookUp(name, { login })).digest).toBe(sum(index));
    expect(asked).toEqual([
      { method: "GET", url: "/v2/team/api/manifests/1.2", authorization: undefined },
      {
        method: "GET",
        url: "/token?service=reg%2C+one&scope=repository%3Ateam%2Fapi%3Apull&account=bot",
        authorization: basic,
      },
      { method: "GET", url: "/v2/team/api/manifests/1.2", authorization: "Bearer t0ken" },
    ]);
  });
});

describe("what is wrong", () => {
  const challenge = { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } };
  const bearer = (origin: string) => ({
    status: 401,
    headers: { "www-authenticate": `Bearer realm="${origin}/token"` },
  });

  test.each<{
    what: string;
    answer: Parameters<typeof serve>[0];
    more?: Partial<RegistryAccess>;
    code: string;
    says: RegExp;
  }>([
    {
      what: "no login",
      answer: () => challenge,
      code: "registry_refused",
      says: /wants a login.*user: NAME, password: SECRET/s,
    },
    {
      what: "a wrong password",
      answer: () => challenge,
      more: { login },
      code: "registry_refused",
      says: /does not take the user bot with this password/,
    },
    {
      what: "a wrong password at the token service",
      answer: ({ url }, origin) => (url.startsWith("/token") ? { status: 401 } : bearer(origin)),
      more: { login },
      code: "registry_refused",
      says: /does not take the user bot with this password/,
    },
    {
      what: "a token that is not enough",
      answer: ({ url }, origin) =>
        url.startsWith("/token") ? { body: '{"access_token":"x"}' } : bearer(origin),
      more: { login },
      code: "registry_refused",
      says: /has no repository team\/api, or bot may not pull it/,
    },
    {
      what: "no right",
      answer: () => ({ status: 403 }),
      more: { login },
      code: "registry_refused",
      says: /does not let bot pull.*403/s,
    },
    {
      what: "a missing tag",
      answer: ({ url }) =>
        url.includes("/tags/list")
          ? { body: '{"tags":["1.1","1.3","evil\\u001b[31m"]}' }
          : undefined,
      code: "image_missing",
      says: /has no tag 1\.2; did you mean 1\.1\?.*it has: 1\.1, 1\.3$/ms,
    },
    {
      what: "a missing repository",
      answer: () => notFound("NAME_UNKNOWN"),
      code: "image_missing",
      says: /has no repository team\/api/,
    },
    {
      what: "too many requests",
      answer: () => ({ status: 429, headers: { "retry-after": "60" } }),
      code: "registry_limited",
      says: /wait 60 s/,
    },
    {
      what: "a registry in trouble",
      answer: () => ({ status: 503 }),
      code: "registry_unreachable",
      says: /status 503/,
    },
    {
      what: "no registry",
      answer: () => ({ body: "<html>hello</html>" }),
      code: "image_unfit",
      says: /no manifest/,
    },
    {
      what: "an old format",
      answer: () => ({ body: '{"schemaVersion":1,"name":"x"}' }),
      code: "image_unfit",
      says: /format of 2014/,
    },
    {
      what: "something else than an image",
      answer: () => ({
        body: JSON.stringify({
          config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: sum("x") },
        }),
      }),
      code: "image_unfit",
      says: /helm/,
    },
    {
      what: "a configuration that is another",
      answer: ({ url }) => ({ body: url.includes("/blobs/") ? "{}" : plain }),
      code: "registry_unreachable",
      says: /not what its digest says/,
    },
    {
      what: "an answer without end",
      answer: () => ({ body: " ".repeat(5 * 1024 * 1024) }),
      code: "registry_unreachable",
      says: /more than 4194304 bytes/,
    },
    {
      what: "a circle",
      answer: ({ url }, origin) => ({ status: 307, headers: { location: `${origin}${url}` } }),
      code: "registry_unreachable",
      says: /from one address to the next/,
    },
    {
      what: "a token service that others could listen to",
      answer: () => bearer("http://token.example.org"),
      more: { login },
      code: "registry_unreachable",
      says: /no https:\/\/ address/,
    },
    {
      what: "a token service without a token",
      answer: ({ url }, origin) =>
        url.startsWith("/token") ? { body: '{"token":"a\\nb"}' } : bearer(origin),
      code: "registry_unreachable",
      says: /gives no token/,
    },
  ])("$what", async ({ answer, more = {}, code, says }) => {
    const { name } = await serve(answer);
    const error = await failure(lookUp(name, more));
    expect(error.code).toBe(code);
    expect(Object.values(error.parts).join("\n")).toMatch(says);
    expect(JSON.stringify(error.parts)).not.toContain(basic.slice(6));
    expect(error.parts.where).toBe(`${name}/team/api:1.2, asked from this machine`);
  });

  test("nobody listens", async () => {
    const { name } = await serve(() => ({}));
    for (const server of servers.splice(0)) server.close();
    const error = await failure(lookUp(name));
    expect(error.code).toBe("registry_unreachable");
    expect(error.parts.what).toContain("refuses the connection");
  });

  test("what answers does not speak HTTP", async () => {
    const server = createTcpServer((socket) => socket.end("220 mail.example.org ESMTP\r\n"));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const error = await failure(lookUp(`127.0.0.1:${(server.address() as AddressInfo).port}`));
    expect(error.code).toBe("registry_unreachable");
  });

  test.each([
    ["Name or service not known", "has a name that cannot be resolved"],
    ["Connection refused", "refuses the connection"],
    ["Connection timed out", "does not answer"],
    ["No route to host", "cannot be reached"],
  ])("the host says: %s", async (said, what) => {
    const open = () => Promise.reject(new Error(said));
    const error = await failure(
      lookUp("registry.example.org", { open, from: "from the host dx1" }),
    );
    expect(error.parts.what).toBe(`registry.example.org ${what}`);
    expect(error.parts.where).toContain("asked from the host dx1");
  });
});
