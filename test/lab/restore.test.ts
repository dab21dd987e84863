import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** A table is dropped, and comes back; what was restored can be undone; a run that is killed in the exchange leaves one of the two. */
describe("restore of PostgreSQL, on Debian 13", { sequential: true }, () => {
  let project: LabProject;
  let before: string;

  beforeAll(async () => {
    project = await makeProject(
      "restore",
      "debian-13",
      `stack: ledger
hosts: {}
database: { databases: { ledger: { owner: ledger_owner } } }
services:
  writer:
    exec: [/bin/sh, -c, while sleep 0.2; do psql -Atqc 'insert into ticks default values'; done]
    database: { name: ledger, role: ledger_owner }
backups:
  repositories: { local: { path: /var/backups/ledger } }
  postgres: { full: weekly }
host: { updates: none }
firewall: none
`,
    );
  });
  afterAll(() => project?.down());

  const sql = async (text: string): Promise<string> =>
    project.onHost(
      `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ledger -c "${text}"`,
    );
  const tick = "select count(*) from ticks where at > now() - interval '5 s'";

  test("the stack is there, with rows", async () => {
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    await sql(
      `create table ticks (at timestamptz not null default clock_timestamp()); alter table ticks owner to ledger_owner;
       create table spots as select g as id, md5(g::text) as call from generate_series(1, 2000) g; alter table spots owner to ledger_owner`,
    );
    before = await sql("select now()");
    await sql("select pg_sleep(1)");
    await sql("drop table spots");
  });

  test("moments that cannot be had are refused, with those that can", async () => {
    const early = await project.hostkit("restore", "postgres", "--to", "2 days ago", "--yes");
    expect(early).toMatchObject({ exitCode: 64 });
    expect(early.stderr).toMatch(/can be had: 20\d\d-/);
    const late = await project.hostkit("restore", "postgres", "--to", "2199-01-01 00:00", "--yes");
    expect(late.stderr).toContain("is in the future");
    expect(await project.hostkit("restore", "undo", "--yes")).toMatchObject({ exitCode: 64 });
    expect(await project.hostkit("restore", "confirm", "--yes")).toMatchObject({ exitCode: 64 });
  });

  test("a dry run says what would happen, and does nothing", async () => {
    const said = await project.hostkit(
      "restore",
      "postgres",
      "--to",
      before.replace("+00", "Z"),
      "--dry-run",
    );
    expect(said.exitCode, said.stderr).toBe(0);
    expect(said.stdout).toContain("the full backup");
    expect(said.stdout).toContain("ledger-writer.service");
    expect(await project.tryOnHost("ls -d /var/lib/postgresql/17/*restore*")).toMatchObject({
      exitCode: 2,
    });
  });

  test("the dropped table is back, whole, and its service writes on", async () => {
    const done = await project.hostkit(
      "restore",
      "postgres",
      "--to",
      before.replace("+00", "Z"),
      "--yes",
      "--json",
    );
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    const answer = JSON.parse(done.stdout.trim().split("\n").at(-1) ?? "") as {
      counts: readonly { table: string; rows: number }[];
      warnings: readonly string[];
    };
    expect(answer.warnings).toEqual([]);
    expect(answer.counts).toContainEqual({ database: "ledger", table: "public.spots", rows: 2000 });
    expect(await sql("select count(*), min(call) = min(md5(id::text)) from spots")).toBe("2000|t");
    expect(
      await sql(
        `select count(*) from ticks where at > '${before}' and at < now() - interval '1 min'`,
      ),
    ).toBe("0");
    await project.onHost("sleep 1");
    expect(Number(await sql(tick))).toBeGreaterThan(0);
    // The way along the new timeline is archived.
    await project.onHost("sudo -u postgres pgbackrest --stanza=ledger check");
    expect(
      await project.onHost(
        "sudo -u postgres pgbackrest --stanza=ledger repo-ls archive/ledger/17-1",
      ),
    ).toContain("00000002.history");
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test("a second one waits until the first is settled", async () => {
    const second = await project.hostkit("restore", "postgres", "--yes");
    expect(second).toMatchObject({ exitCode: 64 });
    expect(second.stderr).toContain("hostkit restore undo");
  });

  test("undo goes back to the data from before", async () => {
    const undone = await project.hostkit("restore", "undo", "--yes");
    expect(undone.exitCode, undone.stdout + undone.stderr).toBe(0);
    expect(await sql("select to_regclass('spots') is null")).toBe("t");
    expect(Number(await sql(`select count(*) from ticks where at > '${before}'`))).toBeGreaterThan(
      0,
    );
  });

  test("killed in the exchange: one of the two is there, whole, and plain commands bring it to an end", async () => {
    const controller = project.start(
      "restore",
      "postgres",
      "--to",
      before.replace("+00", "Z"),
      "--yes",
    );
    await project.onHost(
      `until grep -qs 'stage swapping' /var/lib/hostkit/ledger/restore/state && ! systemctl is-active -q postgresql@17-main; do sleep 0.02; done
systemctl kill -s KILL 'hostkit-run-ledger-*'`,
    );
    expect((await controller).exitCode).toBe(130);
    const provisioned = await project.hostkit("provision", "--yes");
    expect(provisioned.exitCode, provisioned.stdout + provisioned.stderr).toBe(0);
    expect(["t", "f"]).toContain(await sql("select to_regclass('spots') is null"));
    const undone = await project.hostkit("restore", "undo", "--yes");
    expect(undone.exitCode, undone.stdout + undone.stderr).toBe(0);
    expect(await sql("select to_regclass('spots') is null")).toBe("t");
  });

  test("confirmed: nothing stands aside, and the restored data is served after a boot too", async () => {
    const again = await project.hostkit(
      "restore",
      "postgres",
      "--to",
      before.replace("+00", "Z"),
      "--yes",
    );
    expect(again.exitCode, again.stdout + again.stderr).toBe(0);
    const confirmed = await project.hostkit("restore", "confirm", "--yes");
    expect(confirmed.exitCode, confirmed.stdout + confirmed.stderr).toBe(0);
    expect(await project.onHost("ls /var/lib/postgresql/17")).toBe("main");
    expect(await sql("select count(*) from spots")).toBe("2000");
    const { stdout } = await project.hostkit("runs");
    for (const verb of ["restore postgres", "restore undo", "restore confirm"])
      expect(stdout).toContain(verb);
  });
});
