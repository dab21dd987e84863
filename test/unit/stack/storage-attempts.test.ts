import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { s3Storage } from "../../../src/stack/backups/storages/s3.ts";

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly code?: string;
}

const denied: Reply = { status: 403, code: "AccessDenied" };
const gone: Reply = { status: 204 };
const marked: Reply = {
  status: 204,
  headers: { "x-amz-delete-marker": "true", "x-amz-version-id": "v1" },
};

/** What a service answers to each DELETE, one after the other. */
const cases: readonly {
  readonly name: string;
  readonly replies: readonly Reply[];
  readonly says: string;
}[] = [
  { name: "a key that may not delete", replies: [denied], says: "refused" },
  { name: "a key that may", replies: [gone], says: "delete what is there" },
  {
    name: "a bucket with versions, whose versions the key may not delete",
    replies: [marked, denied],
    says: "refused",
  },
  {
    name: "a bucket with versions, and a key that may delete them",
    replies: [marked, gone],
    says: "delete what is there",
  },
];

describe("whether a bucket lets the host delete", () => {
  let server: Server;
  let folder: string;
  let port: number;
  let replies: Reply[] = [];
  let asked: IncomingMessage[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "hostkit-attempt-"));
    await writeFile(
      path.join(folder, "env"),
      `AWS_ACCESS_KEY_ID='an id'\nAWS_SECRET_ACCESS_KEY='a "secret\\'\n`,
    );
    server = createServer((request, response) => {
      asked.push(request);
      const { status, headers, code } = replies.shift() ?? { status: 500 };
      response.writeHead(status, headers);
      response.end(code === undefined ? undefined : `<Error><Code>${code}</Code></Error>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  const attempt = async (given: readonly Reply[]) => {
    replies = [...given];
    asked = [];
    const storage = s3Storage(
      {
        ...{ kind: "s3", name: "one", bucket: "bbb", endpoint: `http://127.0.0.1:${port}` },
        ...{ region: "eu-1", prefix: "x", accessKey: "A", secretKey: "B", appendOnly: {} },
      },
      "shop",
    );
    const text = storage.attempt?.("files").text ?? "";
    const script = text.replaceAll("/etc/hostkit/shop/backup/one.env", `${folder}/env`);
    return execa("sh", ["-c", script], { cwd: folder, reject: false });
  };

  test.each(cases)("$name: $says", async ({ replies: given, says }) => {
    const { stdout, stderr, exitCode } = await attempt(given);
    expect({ stdout, exitCode }, stderr).toEqual({ stdout: says, exitCode: 0 });
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(
      [
        "DELETE /bbb/x/files/tried-by-hostkit",
        "DELETE /bbb/x/files/tried-by-hostkit?versionId=v1",
      ].slice(0, given.length),
    );
    expect(asked[0]?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=an id\//);
  });

  test.each<Reply>([{ status: 403, code: "InvalidAccessKeyId" }, { status: 503 }])(
    "%o is no answer to it",
    async (reply) => {
      const { stdout, stderr, exitCode } = await attempt([reply]);
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
      expect(stderr).toContain(`the storage answered ${reply.status}`);
    },
  );
});
