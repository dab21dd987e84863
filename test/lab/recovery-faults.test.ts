import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  downLabHost,
  powerOffLabHost,
  powerOnLabHost,
  setCable,
  upLabHost,
} from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** Without PostgreSQL: a cluster of the base image lies in a lower layer of the overlay, whose folders cannot be exchanged. */
const packages = ["pgbackrest", "restic", "faketime"];
const full = "ledger-backup-postgres-full.service";

/** What goes wrong with backups and restores while a service writes: nothing of what is committed is lost, and it is said. */
describe.runIf(process.env["HOSTKIT_LONG"] === "1")(
  "faults of backups and restores, on Debian 13",
  { sequential: true },
  () => {
    let project: LabProject;
    let store: LabHost;
    /** Rows that were said to be committed, at least. */
    let least = 0;

    beforeAll(async () => {
      [project, store] = await Promise.all([
        makeProject("recovery-faults", "debian-13", "stack: ledger\nhosts: {}\n", packages),
        upLabHost({ name: `recovery-store-${process.pid}`, os: "debian-13" }),
      ]);
      const key = path.join(project.folder, "store-key");
      await copyFile(store.keyPath, key);
      await chmod(key, 0o600);
      await runOnLabHost(store, "install -d -m 0700 /srv/backups");
      await mkdir(path.join(project.folder, ".hostkit"));
      await keepSecret("what the operator keeps");
      const remote = {
        host: store.address,
        user: "root",
        path: "/srv/backups",
        identity: "store-key",
        host_key: store.hostKey,
        passphrase: "KEY",
      };
      await project.edit(
        [["database"], { databases: { ledger: { owner: "ledger_owner" } } }],
        [
          ["services"],
          {
            writer: {
              exec: [
                "/bin/sh",
                "-c",
                "while sleep 0.1; do psql -Atqc 'insert into ticks default values'; done",
              ],
              database: { name: "ledger", role: "ledger_owner" },
            },
          },
        ],
        [
          ["backups"],
          {
            repositories: { local: { path: "/var/backups/ledger" }, store: remote },
            postgres: { full: "weekly" },
            drill: "none",
          },
        ],
        [["host"], { updates: "none" }],
        [["firewall"], "none"],
      );
    });
    afterAll(async () => {
      await project?.down();
      if (store !== undefined) await downLabHost(store.name);
    });

    const keepSecret = async (value: string): Promise<void> => {
      const secrets = path.join(project.folder, ".hostkit/secrets");
      await writeFile(secrets, `KEY=${value}\n`, { mode: 0o600 });
    };
    const sql = async (text: string): Promise<string> =>
      project.onHost(
        `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ledger -c "${text}"`,
      );
    const count = async (): Promise<number> => Number(await sql("select count(*) from ticks"));
    /** None is gone, the numbers have no hole but those of a server that was ended, and new ones come. */
    const nothingIsLost = async (): Promise<void> => {
      const now = await count();
      expect(now).toBeGreaterThanOrEqual(least);
      expect(await sql("select count(*) from big")).toBe("400000");
      await until("the service writes", async () => (await count()) > now);
      least = await count();
    };
    const backup = () => project.tryOnHost(`systemctl start ${full}`);
    const succeedBackup = async (): Promise<void> => {
      const { exitCode, stderr } = await backup();
      expect(exitCode, stderr).toBe(0);
    };
    const result = () => project.onHost(`systemctl show -P Result ${full}`);
    const status = async () => (await project.hostkit("status")).stdout;
    /** What status says in red; of backups, whose last one stays red until the next, it is left out. */
    const complaints = async () =>
      (await status())
        .split("\n")
        .filter((line) => /✗ +(?! |backup postgres-full)/.test(line))
        .join("\n");
    const succeed = async (...words: string[]): Promise<string> => {
      const done = await project.hostkit(...words);
      expect(done.exitCode, done.stdout + done.stderr).toBe(0);
      return done.stdout;
    };
    const cutPower = async (): Promise<void> => {
      await powerOffLabHost(project.host.name);
      await powerOnLabHost(project.host.name);
      await until(
        "the database answers",
        async () => (await project.tryOnHost("pg_isready -q")).exitCode === 0,
      );
    };

    test("the stack is there, with rows", async () => {
      await succeed("provision", "--yes");
      await sql(
        `create table ticks (id bigserial primary key, at timestamptz default clock_timestamp()); alter table ticks owner to ledger_owner;
       create table big as select g as id, md5(g::text) || md5((g + 1)::text) as text from generate_series(1, 400000) g`,
      );
      await nothingIsLost();
    });

    test("two backups at once, and a restore beside one: each comes to its end", async () => {
      const both = project.onHost(
        `systemctl start ${full} & systemctl start --no-block ledger-backup-postgres-full.service; systemctl start ${full}; wait`,
      );
      const restored = project.hostkit("restore", "postgres", "--yes");
      await both;
      const { exitCode, stderr } = await restored;
      expect(exitCode, stderr).toBe(0);
      await succeed("restore", "confirm", "--yes");
      expect(await result()).toBe("success");
      await nothingIsLost();
    });

    test.runIf(process.env["HOSTKIT_LONG"] === "1")(
      "the power is cut in the middle of a backup: the next one is whole",
      async () => {
        const before = await project.onHost(
          "ls /var/backups/ledger/postgres/backup/ledger | grep -c F$",
        );
        await project.onHost(
          `systemctl start --no-block ${full}; until pgrep -fa 'pgbackrest.*backup' | grep -q repo=; do sleep 0.05; done; sleep 0.7`,
        );
        await cutPower();
        await nothingIsLost();
        expect(
          await project.onHost("ls /var/backups/ledger/postgres/backup/ledger | grep -c F$"),
        ).toBe(before);
        await succeedBackup();
        await succeed("backup", "verify");
        expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
      },
    );

    test.runIf(process.env["HOSTKIT_LONG"] === "1")(
      "the power is cut while a backup is brought back: what was there is served, and a second restore is whole",
      async () => {
        const running = project.start("restore", "postgres", "--yes");
        await project.onHost(
          "until [ -d /var/lib/postgresql/17/main.hostkit-restore ]; do sleep 0.05; done; sleep 0.5",
        );
        await cutPower();
        expect((await running).exitCode).not.toBe(0);
        await nothingIsLost();
        await succeed("provision", "--yes");
        await succeed("restore", "postgres", "--yes");
        await nothingIsLost();
        await succeed("restore", "confirm", "--yes");
        expect(await project.tryOnHost("ls -d /var/lib/postgresql/17/*restore*")).toMatchObject({
          exitCode: 2,
        });
      },
    );

    test("another passphrase by mistake: refused by the repository, and the one that opens it stays", async () => {
      await keepSecret("mistaken for it");
      const wrong = await project.hostkit("provision", "--yes");
      expect(wrong.exitCode).toBe(1);
      expect(wrong.stderr).toContain("the repository exists, but its password is another one");
      expect(wrong.stderr).toContain(
        "the key of store that was there before is in its place again",
      );
      await succeedBackup();
      await keepSecret("what the operator keeps");
      await succeed("provision", "--yes");
      expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
      expect(await project.onHost("ls /var/lib/hostkit/ledger/former-keys")).toBe("");
      await nothingIsLost();
    });

    // With scripts/recovery-faults; some wait for minutes, as pgBackRest does before it gives up.
    describe.runIf(process.env["HOSTKIT_LONG"] === "1")("the rest", { sequential: true }, () => {
      test("the clock jumps back: a backup fails and says so; with the right one the next is whole", async () => {
        const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
        const environment = "/etc/postgresql/17/main/environment";
        // A lab host has no clock of its own: PostgreSQL and pgBackRest are told another one.
        await project.onHost(
          `cp -p ${environment} /root/environment; printf "LD_PRELOAD = '${library}'\\nFAKETIME = '-3d'\\n" >>${environment}
  mkdir -p /etc/systemd/system/${full}.d; printf '[Service]\\nEnvironment=LD_PRELOAD=${library} FAKETIME=-3d\\n' >/etc/systemd/system/${full}.d/clock.conf
  systemctl daemon-reload; systemctl restart postgresql@17-main`,
        );
        expect((await backup()).exitCode).toBe(1);
        const said = await status();
        await project.onHost(
          `cp -p /root/environment ${environment}; rm -r /etc/systemd/system/${full}.d; systemctl daemon-reload; systemctl restart postgresql@17-main`,
        );
        expect(said).toMatch(
          /✗ +backup postgres-full +failed .* is not later than latest backup label/,
        );
        await succeedBackup();
        expect(await status()).toMatch(/✓ +backup postgres-full/);
        await nothingIsLost();
      });

      test("a damaged backup is named, and the next full one heals", async () => {
        await project.onHost(
          `f=$(ls -d /var/backups/ledger/postgres/backup/ledger/*F/bundle/1 | tail -n 1); printf XXXXXXXX | dd of="$f" bs=1 seek=50000 conv=notrunc status=none`,
        );
        const bad = await project.hostkit("backup", "verify", "--repository", "local");
        expect(bad.exitCode).toBe(1);
        expect(bad.stdout + bad.stderr).toMatch(/\d{8}-\d{6}F/);
        expect(await status()).toMatch(/✗ +drill postgres in local +failed/);
        await succeedBackup();
        await succeed("backup", "verify", "--repository", "local");
        expect(await status()).toMatch(/✓ +drill postgres in local/);
      });

      test("a repository is away: the database goes on, that is said, and nothing of it is missing afterwards", async () => {
        await setCable(store.name, false);
        await sql("select pg_switch_wal()");
        await until("it is told", async () => /WAL/.test(await complaints()), 150);
        await nothingIsLost();
        await setCable(store.name, true);
        await until("WAL is archived again", async () => !/WAL/.test(await complaints()), 150);
        await succeedBackup();
        await succeed("backup", "verify", "--repository", "store");
        expect(await project.hostkit("status")).toMatchObject({ exitCode: 0 });
        await nothingIsLost();
      });

      test("the repository's disk is full: the database goes on, and with room again nothing is missing", async () => {
        await project.onHost(
          "cp -a /var/backups/ledger /var/backups/kept; mount -t tmpfs -o size=300m,mode=0755 tmpfs /var/backups/ledger; cp -a /var/backups/kept/. /var/backups/ledger/; rm -r /var/backups/kept; chown --reference=/var/backups/ledger/postgres /var/backups/ledger 2>/dev/null; dd if=/dev/zero of=/var/backups/ledger/fill bs=1M status=none 2>/dev/null || true; df /var/backups/ledger",
        );
        await sql("select pg_switch_wal()");
        expect((await backup()).exitCode).toBe(1);
        const said = await project.hostkit("status");
        expect(said.exitCode).toBe(1);
        expect(said.stdout).toMatch(/No space left|no room|full/);
        await nothingIsLost();
        await project.onHost("rm /var/backups/ledger/fill");
        await until("WAL is archived again", async () => !/WAL/.test(await complaints()), 150);
        await succeedBackup();
        await succeed("backup", "verify", "--repository", "local");
        expect(await project.hostkit("status")).toMatchObject({ exitCode: 0 });
      });

      test("no room beside the cluster: a restore is refused before anything is touched", async () => {
        await project.onHost(
          "systemctl stop ledger.target postgresql@17-main; cp -a /var/lib/postgresql /var/tmp/kept; mount -t tmpfs -o size=900m,mode=0755 tmpfs /var/lib/postgresql; cp -a /var/tmp/kept/. /var/lib/postgresql/; rm -r /var/tmp/kept; dd if=/dev/zero of=/var/lib/postgresql/fill bs=1M count=$(($(df --output=avail -BM /var/lib/postgresql | tail -n 1 | tr -cd 0-9) - 60)) status=none; systemctl start postgresql@17-main ledger.target",
        );
        const refused = await project.hostkit("restore", "postgres", "--yes");
        expect(refused.exitCode).not.toBe(0);
        expect(refused.stderr).toMatch(/a copy beside the cluster takes about .*, and .* are free/);
        expect(refused.stderr).toContain("No room beside it");
        await nothingIsLost();
      });
    });
  },
);
