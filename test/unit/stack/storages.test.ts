import { describe, expect, test } from "vitest";
import { distributions } from "../../../src/distributions.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import {
  hostFolderOf,
  hostFoldersOf,
  repositoriesOf,
} from "../../../src/stack/backups/storages/storages.ts";
import { toolFolder } from "../../../src/stack/backups/storages/storage.ts";

const key = `SHA256:${"a".repeat(43)}`;

/** One of each kind, and what its driver says of it. */
const kinds = [
  {
    kind: "a folder",
    written: "{ path: /var//backups/ }",
    folder: "/var/backups/files",
    packages: [],
    url: "/var/backups/files",
    path: "/var/backups/postgres",
    type: "posix",
    access: [],
  },
  {
    kind: "an SFTP server",
    written: `{ host: b.example.org, user: u, path: /srv/b, identity: k, host_key: "${key}" }`,
    folder: undefined,
    packages: ["openssh-client"],
    url: "sftp:u@b.example.org:/srv/b/files",
    path: "/srv/b/postgres",
    type: "sftp",
    access: ["/etc/pgbackrest/hostkit-shop-one.key"],
  },
  {
    kind: "a server by its IPv6 address",
    written: `{ host: "2001:db8::1", port: 2222, user: u, path: /, identity: k, host_key: "${key}" }`,
    folder: undefined,
    packages: ["openssh-client"],
    url: "sftp:u@[2001:db8::1]:/files",
    path: "/postgres",
    type: "sftp",
    access: ["/etc/pgbackrest/hostkit-shop-one.key"],
  },
  {
    kind: "a bucket",
    written:
      "{ bucket: bbb, endpoint: 'https://s3.example.org:9000/', prefix: /x/, access_key: A, secret_key: B }",
    folder: undefined,
    packages: [],
    url: "s3:https://s3.example.org:9000/bbb/x/files",
    path: "/x/postgres",
    type: "s3",
    access: ["/etc/pgbackrest/conf.d/hostkit-shop-one-access.conf"],
  },
  {
    kind: "a whole bucket",
    written:
      "{ bucket: bbb, endpoint: 'https://s3.example.org', access_key: A, secret_key: B, passphrase: P }",
    folder: undefined,
    packages: [],
    url: "s3:https://s3.example.org/bbb/files",
    path: "/postgres",
    type: "s3",
    access: ["/etc/pgbackrest/conf.d/hostkit-shop-one-access.conf"],
  },
];

function read(written: string) {
  const { manifest, problems } = parseManifest(
    `stack: shop
hosts: { h: { address: h.example.org } }
database: { databases: { app: {} } }
backups: { repositories: { one: ${written} }, postgres: {}, files: { paths: [/etc/app] } }
`,
    "hostkit.yaml",
  );
  if (manifest === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return manifest;
}

describe.each(kinds)("$kind", ({ written, folder, packages, url, path, type, access }) => {
  const manifest = read(written);
  const [repository] = repositoriesOf(manifest, "files");
  if (repository === undefined) throw new Error("no repository");
  const { storage } = repository;
  const values = {
    texts: new Map([["k", "KEY"]]),
    secrets: new Map(["A", "B", "P"].map((name) => [name, `${name.toLowerCase()}\n`])),
  };

  test("says where it is", () => {
    expect(hostFolderOf(storage, "files")).toBe(folder);
    expect(hostFoldersOf(manifest, "files")).toEqual(folder === undefined ? [] : [folder]);
    expect(storage.packages).toEqual(packages);
    expect(storage.restic.url).toBe(url);
    expect(Object.fromEntries(storage.pgbackrest.options("repo1"))).toMatchObject({
      "repo1-type": type,
      "repo1-path": path,
    });
  });

  test("keeps what opens it in files of its own, and nowhere else", () => {
    expect(storage.pgbackrest.access("repo1", values).map(({ path }) => path)).toEqual(access);
    const opened = [
      ...storage.pgbackrest.access("repo1", values),
      ...storage.restic.access(values),
    ].map(({ secret }) => secret);
    expect(opened.every((secret) => /KEY|=a\n/.test(secret))).toBe(true);
    const open = JSON.stringify([storage, storage.pgbackrest.options("repo1")]);
    expect(open).not.toMatch(/KEY/);
  });

  test("leaves behind what it says it prepares", () => {
    for (const tool of ["files", "postgres"] as const) {
      const script = storage.prepare(tool).map(({ text }) => text);
      for (const file of storage.leaves(tool)) expect(script.join("\n")).toContain(file);
      expect(storage.leaves(tool).length > 0).toBe(script.length > 0);
    }
  });

  test("is refused where the host's pgBackRest cannot use it", () => {
    for (const { id, version, pgbackrest } of distributions) {
      const check = () =>
        storage.pgbackrest.check({ distribution: id, version, architecture: "amd64" });
      if (type === "sftp" && !pgbackrest.sftp) expect(check).toThrow(/SFTP/);
      else expect(check).not.toThrow();
    }
  });
});

test.each([
  ["", "/files"],
  ["/", "/files"],
  ["/a", "/a/files"],
  ["/a/", "/a/files"],
])("each tool has a folder of its own in %j", (base, folder) => {
  expect(toolFolder(base, "files")).toBe(folder);
});
