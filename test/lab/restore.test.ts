import { mkdir } from "node:fs/promises";
import path from "node:path";
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
database: { databases: { ledger: { owner: ledger_owner }, other: { owner: other_owner } } }
services:
  writer:
    exec: [/bin/sh, -c, while sleep 0.2; do psql -Atqc 'insert into ticks default values'; done]
    database: { name: ledger, role: ledger_owner }
  keeper:
    exec: [/bin/sh, -c, "until psql -Atqc 'select from ticks' 2>&1; do sleep 0.2; done; yes 'insert into ticks default values; select pg_sleep(0.1);' | psql -Atq -o /dev/null -v ON_ERROR_STOP=1"]
    database: { name: other, role: other_owner }
backups:
  repositories: { local: { path: /var/backups/ledger } }
  postgres: { full: weekly }
host: { updates: none }
firewall: none
`,
    );
  });
  afterAll(() => project?.down());

  const sql = async (text: string, database = "ledger"): Promise<string> =>
    project.onHost(
      `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ${database} -c "${text}"`,
    );
  /** With the rest of the words, to the moment before the table was dropped. */
  const restore = (...words: readonly string[]) =>
    project.hostkit("restore", "postgres", "--to", before.replace("+00", "Z"), "--yes", ...words);
  const tick = "select count(*) from ticks where at > now() - interval '5 s'";

  test("the stack is there, with rows", async () => {
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    await sql(
      `create table ticks (at timestamptz not null default clock_timestamp()); alter table ticks owner to ledger_owner;
       create table bands (id int primary key); insert into bands values (20), (40);
       create table spots (id serial primary key, call text not null, band int constraint spots_band references bands);
       insert into spots (call, band) select md5(g::text), 20 + g % 2 * 20 from generate_series(1, 2000) g;
       create index spots_call on spots (call); create view spot_list as select * from spots;
       alter table spots owner to ledger_owner; create role reader; grant select on spots to reader; alter database ledger set work_mem = '5MB'`,
    );
    await sql(
      `create table ticks (at timestamptz not null default clock_timestamp(), pid int not null default pg_backend_pid());
       alter table ticks owner to other_owner`,
      "other",
    );
    before = await sql("select now()");
    await sql("select pg_sleep(1)");
    await sql("drop table spots cascade; delete from bands where id = 40");
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
    expect(said.stdout).toContain("no drill of this repository has brought PostgreSQL back yet");
    const part = await restore("--database", "ledger", "--dry-run");
    expect(part.stdout).toContain("ledger_before_restore");
    expect(part.stdout).not.toContain("keeper");
    expect(await project.tryOnHost("ls -d /var/lib/postgresql/17/*restore*")).toMatchObject({
      exitCode: 2,
    });
  });

  test("one table comes back: rows, keys, indexes, sequence, owner, grants; what does not fit any more is told", async () => {
    const done = await restore("--database", "ledger", "--table", "public.spots");
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    expect(done.stdout).toMatch(
      /not brought back: the foreign key spots_band .*Key \(band\)=\(40\)/,
    );
    expect(done.stdout).toContain("--table public.spot_list");
    expect(
      await sql(
        `select count(*), bool_and(call = md5(id::text)), max(id) < nextval('spots_id_seq') from spots`,
      ),
    ).toBe("2000|t|t");
    expect(
      await sql(
        `select relowner::regrole, has_table_privilege('reader', oid, 'select'), (select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text) from pg_index where indrelid = c.oid) from pg_class c where oid = 'spots'::regclass`,
      ),
    ).toBe("ledger_owner|t|spots_call spots_pkey");
    expect(await project.onHost("ls /var/lib/postgresql/17")).toBe("main");
  });

  test("a table that is there is not written over, and comes beside it", async () => {
    await sql("delete from spots where id > 5");
    const refused = await restore("--database", "ledger", "--table", "spots");
    expect(refused).toMatchObject({ exitCode: 64 });
    const beside = await restore("--database", "ledger", "--table", "spots", "--as", "public.then");
    expect(beside.exitCode, beside.stdout + beside.stderr).toBe(0);
    expect(await sql("select (select count(*) from spots), count(*) from public.then")).toBe(
      "5|2000",
    );
    await sql("drop table spots, public.then");
  });

  test("one database goes back and forth; a session in another one never ends", async () => {
    const started = await sql("select now()");
    const done = await restore("--database", "ledger", "--json");
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    expect(await sql("select count(*), current_setting('work_mem') from spots")).toBe("2000|5MB");
    expect((await project.hostkit("status")).stdout).toContain("restore of the database ledger");
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    const undone = await project.hostkit("restore", "undo", "--yes");
    expect(undone.exitCode, undone.stdout + undone.stderr).toBe(0);
    expect(await sql("select to_regclass('spots') is null")).toBe("t");
    await project.onHost("sleep 0.5");
    expect(Number(await sql(tick))).toBeGreaterThan(0);
    const confirmed = await project.hostkit("restore", "confirm", "--yes");
    expect(confirmed.exitCode, confirmed.stdout + confirmed.stderr).toBe(0);
    expect(await sql("select string_agg(datname, ' ' order by datname) from pg_database")).toBe(
      "ledger other postgres template0 template1",
    );
    expect(
      await sql(
        `select count(distinct pid), count(*) > 20 from ticks where at > '${started}'`,
        "other",
      ),
    ).toBe("1|t");
  });

  test("killed while names are exchanged: one of the two has the name, whole, and undo brings it to an end", async () => {
    const controller = project.start(
      "restore",
      ...["postgres", "--database", "ledger", "--to", before.replace("+00", "Z"), "--yes"],
    );
    await project.onHost(
      `until grep -qs 'stage swapping' /var/lib/hostkit/ledger/restore/state; do sleep 0.02; done
systemctl kill -s KILL 'hostkit-run-ledger-*'`,
    );
    expect((await controller).exitCode).toBe(130);
    const undone = await project.hostkit("restore", "undo", "--yes");
    expect(undone.exitCode, undone.stdout + undone.stderr).toBe(0);
    expect(await sql("select to_regclass('spots') is null")).toBe("t");
    expect(await project.onHost("systemctl is-active ledger-writer")).toBe("active");
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

  test("a run that changes the database begins with a restore point, each migration has one, and they can be gone back to", async () => {
    interface Listed {
      readonly hosts: readonly [{ readonly points: readonly { name: string; why: string }[] }];
    }
    const points = async () =>
      (JSON.parse((await project.hostkit("restore", "points", "--json")).stdout) as Listed).hosts[0]
        .points;
    expect(await points()).toEqual([]);
    await mkdir(path.join(project.folder, "migrations"));
    await project.write("migrations/001_add.sql", "create table added as select 1 as id;\n");
    await project.write("migrations/002_lose.sql", "delete from spots;\n");
    await project.edit([["database", "databases", "ledger", "migrations"], "migrations"]);
    const provisioned = await project.hostkit("provision", "--yes");
    expect(provisioned.exitCode, provisioned.stdout + provisioned.stderr).toBe(0);
    const made = await points();
    expect(made.map(({ why }) => why)).toEqual([
      "migration 002_lose.sql in ledger",
      "migration 001_add.sql in ledger",
      expect.stringContaining("provision: "),
    ]);
    await project.hostkit("provision", "--yes");
    expect(await points()).toEqual(made);
    const back = await project.hostkit(
      "restore",
      ...["postgres", "--database", "ledger", "--as", "ledger_then", "--yes"],
      ...["--to", `name:${made[0]?.name ?? ""}`],
    );
    expect(back.exitCode, back.stdout + back.stderr).toBe(0);
    expect(
      await sql("select (select count(*) from spots), count(*) from added", "ledger_then"),
    ).toBe("2000|1");
    expect(await sql("select count(*) from spots")).toBe("0");
  });
});
