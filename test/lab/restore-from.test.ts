import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runOnLabHost } from "../../src/lab/login.ts";
import { makeProject } from "../harness/lab-project.ts";
import type { CliResult, LabProject } from "../harness/lab-project.ts";

const manifest = `stack: ledger
hosts: {}
database: { databases: { ledger: { owner: ledger_owner, migrations: db } } }
services:
  writer:
    exec: [/bin/sh, -c, while sleep 0.2; do psql -Atqc 'insert into ticks default values'; done]
    database: { name: ledger, role: ledger_owner }
backups:
  repositories: { offsite: { path: /srv/offsite, passphrase: KEY } }
  postgres: { full: weekly }
  files: { paths: [/srv/in, /etc], schedule: daily, keep: { daily: 3 }, exclude: [/etc/ssl, /etc/alternatives] }
host: { updates: none }
firewall: none
`;

/**
 * The machine is gone, and its repository, a folder that was mounted there, is mounted on another one. scripts/drill does the same with a
 * server in between, under load and with a power cut.
 */
describe("a stack comes back on another machine, on Debian 13", { sequential: true }, () => {
  let first: LabProject;
  let second: LabProject;

  beforeAll(async () => {
    [first, second] = await Promise.all([
      makeProject("gone", "debian-13", manifest),
      makeProject("come-back", "debian-13", manifest),
    ]);
    for (const project of [first, second]) {
      for (const folder of ["db", ".hostkit"]) await mkdir(path.join(project.folder, folder));
      await project.write(
        "db/0001_ticks.sql",
        "create table ticks (id bigserial, at timestamptz default clock_timestamp());\n",
      );
      await project.write(".hostkit/secrets", "KEY=what the operator keeps\n");
    }
  });
  afterAll(() => Promise.all([first?.down(), second?.down()]));

  const sql = async (project: LabProject, text: string): Promise<string> =>
    project.onHost(
      `cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ledger -c "${text}"`,
    );
  const succeed = async (result: Promise<CliResult>): Promise<CliResult> => {
    const done = await result;
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    return done;
  };

  test("what there is on a host is not replaced", async () => {
    await first.onHost(
      "useradd -r uploader; mkdir /srv/in; echo kept >/srv/in/order; chown -R uploader: /srv/in",
    );
    await succeed(first.hostkit("provision", "--yes"));
    const refused = await first.hostkit("provision", "--restore-from", "offsite", "--yes");
    expect(refused).toMatchObject({ exitCode: 65 });
    expect(refused.stderr).toContain("with the databases ledger");
    await sql(
      first,
      "create table spots as select g as id, md5(g::text) as call from generate_series(1, 2000) g",
    );
    await first.onHost(
      "sudo -u postgres pgbackrest --stanza=ledger check && systemctl stop ledger.target postgresql@17-main",
    );
  });

  test("a repository that cannot be read, or has nothing, is refused with its cause, and nothing is changed", async () => {
    const empty = await second.hostkit("provision", "--restore-from", "offsite", "--yes");
    expect(empty).toMatchObject({ exitCode: 1 });
    expect(empty.stderr).toContain("the repository offsite has no backup of the stack ledger");
    // The numbers of users are others here.
    await second.onHost("useradd -r somebody; useradd -r uploader");
    const { stdout } = await runOnLabHost(
      first.host,
      "tar -C /srv/offsite -cf - --owner=0 --group=0 . | base64 -w0",
    );
    await runOnLabHost(
      second.host,
      "mkdir -p /srv/offsite && base64 -d | tar -C /srv/offsite -xf -",
      { input: stdout },
    );
    await second.write(".hostkit/secrets", "KEY=0f2d9c17a4\n");
    const wrong = await second.hostkit("plan", "--restore-from", "offsite");
    expect(wrong).toMatchObject({ exitCode: 1 });
    expect(wrong.stderr).toContain("its password is another one");
    await second.write(".hostkit/secrets", "KEY=what the operator keeps\n");
    const left = await second.tryOnHost(
      "ls -d /var/lib/hostkit /run/hostkit-look-* /var/tmp/hostkit-look-* /usr/bin/restic",
    );
    expect(left.stdout).toBe("");
  });

  test("the plan says from when it is", async () => {
    const plan = await second.hostkit("plan", "--restore-from", "offsite");
    expect(plan.exitCode, plan.stderr).toBe(2);
    expect(plan.stdout).toMatch(/the full backup \d{8}-\d{6}F of 20\d\d-/);
    expect(plan.stdout).toMatch(/up to what was archived 20\d\d-.* ago/);
    expect(plan.stdout).toContain("without /etc: ");
  });

  test("killed in the midst of it: no empty database takes its place, and a plain provision ends it", async () => {
    const controller = second.start("provision", "--restore-from", "offsite", "--yes");
    await second.onHost(`for n in $(seq 6000); do [ -e /var/lib/postgresql/17/main.hostkit-restore/backup.manifest ] && break; sleep 0.02; done
systemctl kill -s KILL 'hostkit-run-ledger-*'`);
    expect((await controller).exitCode).not.toBe(0);
    expect(await second.tryOnHost("systemctl is-active postgresql@17-main")).not.toMatchObject({
      exitCode: 0,
    });
    const plan = await second.hostkit("plan");
    expect(plan.stdout).toContain("a restore was begun and did not come to its end");
    await succeed(second.hostkit("provision", "--yes"));
    expect(await sql(second, "select count(*), min(call) = min(md5(id::text)) from spots")).toBe(
      "2000|t",
    );
    expect(
      await second.onHost(
        "cat /srv/in/order; stat -c %U /srv/in /srv/in/order; systemctl is-active ledger-writer",
      ),
    ).toBe("kept\nuploader\nuploader\nactive");
    // The archive of the one that is gone is gone on with.
    await second.onHost("sudo -u postgres pgbackrest --stanza=ledger check");
    expect(await second.onHost("ls /var/lib/postgresql/17")).toBe("main");
  });

  test("what was brought back once is not brought back again", async () => {
    for (const words of [
      ["provision", "--yes"],
      ["provision", "--restore-from", "offsite", "--yes"],
    ])
      expect((await succeed(second.hostkit(...words))).stdout).toContain("nothing to change");
  });
});
