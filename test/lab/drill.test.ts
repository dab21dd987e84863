import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

const drills = "/var/lib/hostkit/shelf/backups/postgres/drills";
const fileDrills = "/var/lib/hostkit/shelf/backups/files/drills";
const repository = "/var/backups/shelf/postgres";

/** Backups are proved by bringing them back, and what is wrong with them is told with its cause. */
describe("drills, on Debian 13", { sequential: true }, () => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject(
      "drill",
      "debian-13",
      `stack: shelf
hosts: {}
database:
  databases: { books: { migrations: ./db } }
backups:
  repositories: { local: { path: /var/backups/shelf } }
  postgres: { full: weekly }
  files: { paths: [/srv/files] }
  verify: ["select count(*) = 3 from books"]
host: { updates: none }
firewall: none
`,
    );
    await project.onHost(
      "mkdir /srv/files; echo one >/srv/files/a; echo two >'/srv/files/b c'; echo more >/srv/files/d",
    );
    await mkdir(`${project.folder}/db`);
    await project.write(
      "db/1_books.sql",
      "create table books (id int primary key, title text);\ninsert into books values (1, 'a'), (2, 'b');\n",
    );
  });
  afterAll(() => project?.down());

  const psql = (sql: string) =>
    project.onHost(
      `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtqc "${sql}" books`,
    );
  /** All that was committed so far is in the repository. */
  const archived = async (): Promise<void> => {
    const segment = await psql("select pg_walfile_name(pg_switch_wal())");
    await project.onHost(
      `until test -e /var/lib/postgresql/17/main/pg_wal/archive_status/${segment}.done; do sleep 0.2; done`,
    );
  };
  /** Every file of the repository, with what is in it. */
  const contents = () =>
    project.onHost(`cd /var/backups/shelf && find . -type f | sort | xargs sha256sum`);
  interface Drill {
    readonly record?: { readonly outcome: string; readonly cause: string; readonly label: string };
  }
  const verify = async (...words: string[]): Promise<{ exitCode: number; drills: Drill[] }> => {
    const { exitCode, stdout, stderr } = await project.hostkit(
      "backup",
      "verify",
      ...words,
      "--json",
    );
    expect(stdout, stderr).toContain("{");
    const { hosts } = JSON.parse(stdout) as { hosts: { drills: Drill[] }[] };
    return { exitCode, drills: hosts[0]?.drills ?? [] };
  };
  const nothingLeft = async (): Promise<void> => {
    expect(await project.onHost("find /var/lib/hostkit/shelf/drill -mindepth 1")).toBe("");
    expect((await project.tryOnHost("pgrep -fa run/hostkit-drill")).stdout).toBe("");
  };

  test("the stack is there, and no backup is proved yet", async () => {
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect((await project.hostkit("status")).stdout).toMatch(/drill postgres in local +not yet/);
  });

  test("what was committed after the backup is there too, and the repository stays as it was", async () => {
    await psql("insert into books values (3, 'c')");
    await archived();
    const before = await contents();
    const { exitCode, drills: done } = await verify();
    expect(done).toMatchObject([
      {
        tool: "postgres",
        repository: "local",
        record: { outcome: "ok", questions: 1, amcheck: true, checksums: true },
      },
      { tool: "files", repository: "local", record: { outcome: "ok", files: 3, same: 3 } },
    ]);
    expect(exitCode).toBe(0);
    expect(await contents()).toBe(before);
    await nothingLeft();
    const after = await project.hostkit("status");
    expect(after, after.stdout).toMatchObject({ exitCode: 0 });
    expect(after.stdout).toMatch(/✓ +drill postgres in local +proved .* ago/);
    const asked = await project.hostkit("restore", "postgres", "--to", "latest", "--dry-run");
    expect(asked.stdout).toMatch(
      /takes +about [\d.]+ s: copy [\d.]+ s, \d+ segments? of WAL [\d.]+ s \(the drill: \d+ MiB in/,
    );
    const { stdout: list } = await project.hostkit("backup", "list");
    expect(list).toMatch(/full .* proved \d/);
    expect(list).toMatch(/snapshot .* proved \d/);
    expect((await project.hostkit("runs")).stdout).toContain("backup verify");
  });

  test("a query that is not true any more is red, with its words", async () => {
    await psql("delete from books where id = 1");
    await archived();
    const { exitCode, drills: done } = await verify("--repository", "local");
    expect(exitCode).toBe(1);
    expect(done[0]?.record).toMatchObject({ outcome: "failed" });
    expect(done[0]?.record?.cause).toContain("select count(*) = 3 from books");
    await nothingLeft();
    const status = await project.hostkit("status");
    expect(status).toMatchObject({ exitCode: 1 });
    expect(status.stdout).toMatch(/✗ +drill postgres in local +failed .*count\(\*\) = 3/);
    await psql("insert into books values (1, 'a')");
  });

  test("what a power cut left is taken away by the next one, and told", async () => {
    await project.onHost(
      `date +%s >${drills}/local.begun; chown postgres: ${drills}/local.begun; mkdir -p /var/lib/hostkit/shelf/drill/data/x; chown -R postgres: /var/lib/hostkit/shelf/drill`,
    );
    expect((await project.hostkit("status")).stdout).toMatch(
      /drill postgres in local +interrupted/,
    );
    await project.onHost("systemctl start shelf-drill-postgres@all.service || true");
    expect(await project.onHost(`grep -c interrupted ${drills}/local.jsonl`)).toBe("1");
    await nothingLeft();
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "a backup with a damaged file is told by its label, with what pgBackRest says",
    async () => {
      await project.onHost(
        `f=$(ls ${repository}/backup/shelf/*F/bundle/1); printf XXXXXXXX | dd of="$f" bs=1 seek=50000 conv=notrunc status=none`,
      );
      const { exitCode, drills: done } = await verify();
      expect(exitCode).toBe(1);
      expect(done[0]?.record).toMatchObject({
        outcome: "failed",
        label: expect.stringMatching(/F$/) as string,
      });
      expect(done[0]?.record?.cause).toMatch(/checksum|zst error|decrypt|Crypto/);
      await nothingLeft();
      expect(done[1]?.record).toMatchObject({ outcome: "ok" });
      expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    },
  );

  test("a file that differs from its backup, and a pack that is damaged, are named", async () => {
    const fileDrill = async () => {
      await project.onHost("systemctl start shelf-drill-files@all.service || true");
      return JSON.parse(await project.onHost(`tail -n 1 ${fileDrills}/local.jsonl`)) as object;
    };
    await project.onHost(
      "touch -r /srv/files/a /tmp/time; echo eno >/srv/files/a; touch -r /tmp/time /srv/files/a",
    );
    expect(await fileDrill()).toMatchObject({
      outcome: "failed",
      cause: expect.stringContaining("/srv/files/a differs from its backup") as string,
    });
    await project.onHost("echo one >/srv/files/a; touch -r /tmp/time /srv/files/a");
    expect(await fileDrill()).toMatchObject({ outcome: "ok", same: 3 });
    await project.onHost(
      `for f in $(find /var/backups/shelf/files/data -type f); do printf XXXXXXXX | dd of="$f" bs=1 seek=20 conv=notrunc status=none; done`,
    );
    expect(await fileDrill()).toMatchObject({ outcome: "failed" });
  });
});
