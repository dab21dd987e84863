// scripts/append-only: see there. The same with an SFTP server is a lab test, test/lab/append-only.test.ts.
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { downLabHost } from "../../dist/lab/host.js";
import { runOnLabHost, sshArguments } from "../../dist/lab/login.js";
import { labPaths } from "../../dist/lab/paths.js";
import { storages } from "../drill.d/storages.mjs";
import { callHostkit, mustEndWell } from "../faults.d/hostkit.mjs";
import { shell, up } from "../faults.d/hosts.mjs";

const { values: options } = parseArgs({
  options: {
    os: { type: "string", default: "debian-13" },
    keep: { type: "boolean", default: false },
  },
});
const paths = labPaths();
const names = { front: `append-front-${process.pid}`, app: `append-app-${process.pid}` };
const name = "s3.append.test";
const say = (text) => process.stderr.write(`${text}\n`);

/**
 * Caddy before the S3 server. What a bucket policy would say: the host's key may delete locks of restic and pgBackRest's
 * `latest`, the keeper's all.
 * @returns the CA that its certificate is of
 */
async function putInFront(front, upstream) {
  await shell(
    front,
    `export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -y -qq --no-install-recommends caddy >/dev/null 2>&1
cat >/etc/caddy/Caddyfile <<'EOT'
https://${name}:9443 {
  tls internal
  @removes {
    not header Authorization *Credential=KEEPER/*
    not path /drill/files/locks/* /drill/postgres/backup/app/latest
    expression \`{method} == "DELETE" || ({method} == "POST" && {query}.startsWith("delete"))\`
  }
  header @removes Content-Type application/xml
  respond @removes \`<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>\` 403
  reverse_proxy ${upstream} {
    transport http {
      tls_insecure_skip_verify
    }
  }
}
EOT
systemctl restart caddy`,
  );
  return shell(
    front,
    "for i in $(seq 100); do cat /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt 2>/dev/null && exit 0; sleep 0.2; done; exit 1",
  );
}

/** pgBackRest and restic for this machine, which find the server by its name and trust its certificate. */
async function borrowTools(front, ca) {
  execFileSync(path.resolve(import.meta.dirname, "../../test/harness/borrow-tools.sh"), [
    work,
    ...sshArguments(front),
  ]);
  await writeFile(path.join(work, "ca.crt"), `${ca}\n`);
  const hosts = path.join(work, "hosts");
  await writeFile(hosts, `127.0.0.1 localhost\n${front.address} ${name}\n`);
  const bin = path.join(work, "bin");
  await mkdir(bin);
  for (const program of ["pgbackrest", "restic"])
    await writeFile(
      path.join(bin, program),
      `#!/bin/sh
exec unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' ${hosts} ${work}/${program} "$@"
`,
      { mode: 0o755 },
    );
  process.env["PATH"] = `${bin}:${process.env["PATH"]}`;
  process.env["SSL_CERT_FILE"] = path.join(work, "ca.crt");
}

async function makeProject(app, repository) {
  const folder = await mkdtemp(path.join(tmpdir(), "hostkit-append-"));
  await mkdir(path.join(folder, ".hostkit"));
  const values = { HOST: "S3RVER", HOST_KEY: "S3RVER", KEEPER: "KEEPER", KEEPER_KEY: "KEEPER" };
  await writeFile(
    path.join(folder, ".hostkit/secrets"),
    Object.entries({ ...values, PASS: "what the operator keeps" })
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
    { mode: 0o600 },
  );
  const { address, keyPath, hostKey } = app;
  const manifest = {
    stack: "app",
    hosts: { h1: { address, user: "root", identity: keyPath, host_key: hostKey } },
    database: { databases: { books: {} } },
    backups: {
      repositories: { cloud: repository },
      postgres: { full: "weekly", incremental: "daily", keep: { full: 2 } },
      files: { paths: ["/srv/in"], schedule: "daily", keep: { daily: 1 } },
    },
    host: { updates: "none" },
    firewall: "none",
  };
  await writeFile(path.join(folder, "hostkit.yaml"), stringify(manifest));
  return folder;
}

async function prove(app, folder) {
  const hostkit = (...words) => mustEndWell(folder, words);
  const refused = async (...words) => {
    const call = callHostkit(folder, words);
    const code = await call.ended;
    assert.equal(code, 1, `hostkit ${words.join(" ")} ended with ${code}:\n${call.text}`);
    return call.text;
  };
  const list = async (tool) => {
    const { text } = await hostkit("backup", "list", "--json");
    const { hosts } = JSON.parse(text);
    return hosts[0].backups.filter((one) => one.tool === tool).map(({ label }) => label);
  };
  say("provisions the stack, backs it up again and again");
  await shell(app, "mkdir -p /srv/in && echo one >/srv/in/a");
  await hostkit("provision", "--yes");
  for (const job of ["postgres-incremental", "postgres-full", "postgres-full"]) {
    await shell(
      app,
      "date >>/srv/in/a; runuser -u postgres -- psql -qAtc 'select pg_switch_wal()' books",
    );
    await hostkit("backup", "run", job);
    // Those that somebody asks for are kept beside.
    await shell(app, "systemctl start app-backup-files.service");
  }
  const verified = await hostkit("backup", "verify");
  const { text: status } = await hostkit("status");
  assert.equal(status.match(/removing refused/g)?.length, 2, status);
  assert.equal((await hostkit("plan")).text.includes("nothing to change"), true);
  const before = { postgres: await list("postgres"), files: await list("files") };
  assert.deepEqual([before.postgres.length, before.files.length], [4, 4]);

  say("tries to remove with what the host has");
  const forget =
    "timeout 60 /usr/local/lib/hostkit/app/backup-files restic cloud forget --keep-last 1 --prune";
  assert.notEqual((await runOnLabHost(app, forget)).exitCode, 0);
  const asPostgres =
    "cd / && timeout 300 setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=app";
  assert.notEqual(
    (await runOnLabHost(app, `${asPostgres} --repo1-retention-full=1 expire`)).exitCode,
    0,
  );
  for (const what of [
    `backup/app/${before.postgres.at(-1)}/backup.manifest`,
    "archive/app/archive.info",
  ])
    assert.notEqual((await runOnLabHost(app, `${asPostgres} repo-rm ${what}`)).exitCode, 0);
  await hostkit("backup", "run", "postgres-full");
  const now = { postgres: await list("postgres"), files: await list("files") };
  assert.deepEqual(now.files, before.files);
  assert.deepEqual(
    before.postgres.filter((label) => !now.postgres.includes(label)),
    [],
  );

  say("removes old backups from here");
  assert.match(await refused("backup", "expire", "--dry-run"), /backups go/);
  assert.match(await refused("backup", "expire", "--yes"), /nothing was removed/);
  const { text: done } = await hostkit("backup", "expire", "--yes", "--anyway");
  say(done.trimEnd());
  assert.match((await hostkit("backup", "expire")).text, /nothing to remove/);
  const left = { postgres: await list("postgres"), files: await list("files") };
  assert.deepEqual(left.postgres, now.postgres.slice(0, 2));
  assert.equal(left.files.length < now.files.length, true);

  say("goes on, and restores");
  await hostkit("backup", "run", "postgres-incremental", "files");
  await hostkit("backup", "verify");
  await hostkit("status");
  await shell(app, "rm -r /srv/in");
  await hostkit("restore", "files", "/srv/in", "--yes");
  assert.match(await shell(app, "head -n 1 /srv/in/a"), /^one/);
  say(`backup verify took ${verified.seconds.toFixed(0)} s`);
}

process.on("SIGINT", () => process.exit(130));
const work = await mkdtemp(path.join(tmpdir(), "hostkit-append-tools-"));
await mkdir(paths.cache, { recursive: true });
let server;
let folder;
try {
  const [front, app] = await Promise.all([
    up(names.front, "debian-13", paths),
    up(names.app, options.os, paths),
    storages.s3({ paths }).then((made) => {
      server = made;
    }),
  ]);
  const { port } = new URL(server.repository.endpoint);
  const ca = await putInFront(front, `https://${front.address.replace(/\.\d+$/, ".1")}:${port}`);
  await shell(
    app,
    `echo '${front.address} ${name}' >>/etc/hosts
cat >/usr/local/share/ca-certificates/append.crt <<'EOT'
${ca.trim()}
EOT
update-ca-certificates >/dev/null 2>&1`,
  );
  // Debian 13's programs, whatever this machine has.
  await shell(
    front,
    "apt-get install -y -qq --no-install-recommends pgbackrest restic >/dev/null 2>&1",
  );
  await borrowTools(front, ca);
  folder = await makeProject(app, {
    ...{ bucket: "drill", endpoint: `https://${name}:9443`, passphrase: "PASS" },
    ...{ access_key: "HOST", secret_key: "HOST_KEY" },
    append_only: { access_key: "KEEPER", secret_key: "KEEPER_KEY" },
  });
  await prove(app, folder);
  say("✓ the bucket was only added to, and old backups went from here");
} finally {
  if (options.keep) say(`kept: ${folder} ${Object.values(names).join(" ")}`);
  else {
    for (const name of Object.values(names)) await downLabHost(name, paths);
    await server?.end();
    await rm(work, { recursive: true });
    if (folder !== undefined) await rm(folder, { recursive: true });
  }
}
process.exit(0);
