import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost, sshArguments } from "../../src/lab/login.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

const storeName = `append-store-${process.pid}`;
const folder = "/srv/backups/app";

/**
 * An SFTP server of OpenSSH on another host, set up as docs/backups.md says, and hostkit's own machine with pgBackRest and restic of Debian 13
 * (programs and libraries of the host, since this machine may be older).
 */
describe.runIf(process.env["HOSTKIT_LONG"] === "1")(
  "an append-only repository, on Debian 13",
  { sequential: true },
  () => {
    let project: LabProject;
    let store: LabHost;
    let tools: string;

    const onStore = async (command: string): Promise<string> => {
      const result = await runOnLabHost(store, command);
      expect(result.exitCode, `${command}\n${result.stdout}\n${result.stderr}`).toBe(0);
      return result.stdout.trim();
    };
    const seal = () => onStore(`hostkit-seal ${folder} app-backup app-keeper now`);
    const succeed = async (...words: string[]) => {
      const result = await project.hostkit(...words);
      expect(result.exitCode, result.stdout + result.stderr).toBe(0);
      return result;
    };
    const labels = async (tool: "postgres" | "files"): Promise<string[]> => {
      const { stdout } = await succeed("backup", "list", "--json");
      const { hosts } = JSON.parse(stdout) as {
        hosts: { backups: { tool: string; label: string }[] }[];
      };
      return (hosts[0]?.backups ?? []).filter((one) => one.tool === tool).map(({ label }) => label);
    };
    /** What drills put there was put there long ago. */
    const age = () =>
      project.onHost(
        "for f in /var/lib/hostkit/app/backups/*/drills/offsite.planted; do touch -d '2 hours ago' $f; done",
      );
    /** What the host's own key may do on the server, by OpenSSH's client. */
    const sftp = (batch: string) =>
      project.tryOnHost(
        `printf '%s\\n' "${batch}" | sftp -q -b - -i /etc/hostkit/app/backup/offsite.key -o IdentitiesOnly=yes -o UserKnownHostsFile=/etc/hostkit/app/backup/offsite.known_hosts app-backup@${store.address}`,
      );

    beforeAll(async () => {
      tools = await mkdtemp(path.join(tmpdir(), "hostkit-tools-"));
      [store, project] = await Promise.all([
        upLabHost({ name: storeName, os: "debian-13" }),
        makeProject("append", "debian-13", manifest),
      ]);
      for (const name of ["app-backup", "app-keeper"])
        await execa("ssh-keygen", [
          "-q",
          "-t",
          "ed25519",
          "-N",
          "",
          "-f",
          path.join(project.folder, name),
        ]);
      await onStore(`mkdir -p /srv/backups && set -e\n${await readBlock("backups", "useradd")}`);
      for (const name of ["app-backup", "app-keeper"]) {
        const key = (await readFile(path.join(project.folder, `${name}.pub`), "utf8")).trim();
        await onStore(
          `install -d -m 0700 -o ${name} -g ${name} /home/${name}/.ssh && echo '${key}' >/home/${name}/.ssh/authorized_keys`,
        );
      }
      await mkdir(path.join(project.folder, "db"));
      await mkdir(path.join(project.folder, ".hostkit"));
      await project.write("db/1_books.sql", "create table books (id int primary key);\n");
      await project.write(".hostkit/secrets", "KEY=what the operator keeps\n");
      await chmod(path.join(project.folder, ".hostkit/secrets"), 0o600);
      await project.edit([
        ["backups", "repositories", "offsite"],
        {
          ...{ host: store.address, user: "app-backup", path: folder, identity: "app-backup" },
          ...{ host_key: store.hostKey, passphrase: "KEY" },
          append_only: { user: "app-keeper", identity: "app-keeper" },
        },
      ]);
      await project.onHost("mkdir /srv/in; echo one >/srv/in/a");
    });
    afterAll(async () => {
      await Promise.all([project?.down(), downLabHost(storeName)]);
      if (tools !== undefined) await rm(tools, { recursive: true });
    });

    test("the host backs up to it, again and again, and what was written becomes another's", async () => {
      await succeed("provision", "--yes");
      await bringTools(project.host, tools);
      process.env["PATH"] = `${tools}:${process.env["PATH"] ?? ""}`;
      await seal();
      const archived = async (): Promise<string[]> =>
        (
          await project.onHost(
            "runuser -u postgres -- psql -Atc 'select archived_count, failed_count from pg_stat_archiver'",
          )
        ).split("|");
      const [count = ""] = await archived();
      await project.onHost("runuser -u postgres -- psql -qAtc 'select pg_switch_wal()' books");
      await until("WAL is archived", async () => Number((await archived())[0]) > Number(count));
      expect((await archived())[1]).toBe("0");
      for (let round = 0; round < 2; round += 1) {
        await succeed("backup", "run", round === 0 ? "postgres-incremental" : "postgres-full");
        await project.onHost(`echo ${round} >>/srv/in/a; systemctl start app-backup-files.service`);
        await seal();
      }
      expect(await labels("postgres")).toHaveLength(3);
      expect(await labels("files")).toHaveLength(3);
      await succeed("backup", "verify");
      expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
      const { stdout } = await succeed("status");
      expect(stdout.match(/whether removing is refused: not tried yet/g)).toHaveLength(2);
      expect(await onStore(`ls ${folder}/files/locks`)).toBe("");
    });

    test("a drill tries it, and says where the server does not refuse", async () => {
      await seal();
      await age();
      await succeed("backup", "verify");
      expect((await succeed("status")).stdout.match(/, removing refused/g)).toHaveLength(2);
      await onStore(`chown -R app-backup ${folder}/files`);
      const said = await project.hostkit("backup", "verify");
      expect(said).toMatchObject({ exitCode: 1 });
      expect(said.stdout + said.stderr).toContain(
        "it is to be append-only, and what this host has can overwrite, rename",
      );
      expect(await project.hostkit("status")).toMatchObject({ exitCode: 1 });
      await seal();
    });

    test("whoever has the host's key can neither remove nor change what is there", async () => {
      const all = await labels("postgres");
      const label = all.at(-1) ?? "";
      const backup = `${folder}/postgres/backup/app/${label}`;
      const snapshot = await onStore(`ls -d ${folder}/files/snapshots/* | head -n 1`);
      const wal = await onStore(`find ${folder}/postgres/archive -name '0*-*' -type f | head -n 1`);
      const sums = async (): Promise<string[]> =>
        (await onStore(`find ${folder}/files ${backup} -type f -exec sha256sum {} +`))
          .split("\n")
          .sort();
      const before = await sums();
      for (const batch of [
        `rm ${backup}/backup.manifest`,
        `rename ${backup} ${backup}.gone`,
        `rename ${folder}/postgres ${folder}/gone`,
        `rm ${snapshot}`,
        `put /etc/hostname ${snapshot}`,
        `put /etc/hostname ${backup}/backup.manifest`,
        `chmod 777 ${snapshot}`,
        `put /etc/hostname ${wal}`,
        `rename ${snapshot} ${snapshot}0`,
        `rm ${folder}/files/config`,
      ]) {
        const { exitCode, stderr } = await sftp(batch);
        expect(exitCode, `${batch}: ${stderr}`).not.toBe(0);
        expect(stderr).toMatch(/denied/i);
      }
      const forget =
        "/usr/local/lib/hostkit/app/backup-files restic offsite forget --keep-last 1 --prune";
      expect((await project.tryOnHost(`timeout 60 ${forget}`)).exitCode).not.toBe(0);
      const expire =
        "cd / && setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=app --repo1-retention-full=1 expire";
      expect((await project.tryOnHost(expire)).exitCode).not.toBe(0);
      // restic's prune may have added an index before it was refused.
      expect((await sums()).filter((line) => before.includes(line))).toEqual(before);
      // Its list can be overwritten, and is put back as docs/recovery.md has it.
      for (const place of ["backup/app/backup.info", "archive/app/archive.info"])
        for (const name of [place, `${place}.copy`])
          expect(await sftp(`put /etc/hostname ${folder}/postgres/${name}`)).toMatchObject({
            exitCode: 0,
          });
      expect(await project.hostkit("backup", "run", "postgres-full")).toMatchObject({
        exitCode: 1,
      });
      await onStore(`set -e\n${await readBlock("recovery", "day=")}`);
      await succeed("backup", "run", "postgres-full");
      await seal();
      expect((await labels("postgres")).slice(1)).toEqual(all);
    });

    test("so many in so short a time are doubted: what would go is shown, and nothing goes without a word", async () => {
      const shown = await project.hostkit("backup", "expire", "--dry-run");
      expect(shown).toMatchObject({ exitCode: 1 });
      expect(shown.stdout).toMatch(/offsite, PostgreSQL: \d of \d backups go/);
      expect(shown.stdout).toContain("would reach back");
      const refused = await project.hostkit("backup", "expire", "offsite", "--yes");
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.stderr).toContain("nothing was removed");
      expect((await labels("postgres")).length).toBeGreaterThan(2);
    });

    test("nothing is removed while a backup is made", async () => {
      await project.onHost(
        "systemd-run --unit=holder flock /usr/local/lib/hostkit/app/backup.lock sleep 300",
      );
      expect(await project.hostkit("backup", "expire", "--yes", "--anyway")).toMatchObject({
        exitCode: 75,
      });
      await project.onHost("systemctl stop holder");
    });

    test("a backup that is not finished is not touched where the host does not wait", async () => {
      const begun = `${folder}/postgres/backup/app/$(date +%Y%m%d-%H%M%S)F`;
      await onStore(`install -d -o app-backup -g app-backup ${begun}`);
      const refused = await project.hostkit(
        "backup",
        "expire",
        "--yes",
        "--anyway",
        "--without-host",
      );
      expect(refused).toMatchObject({ exitCode: 75 });
      expect(refused.stderr).toContain("is being made");
      await onStore(`rmdir ${folder}/postgres/backup/app/*F 2>/dev/null || true`);
    });

    test("the operator's key removes what is old, keeps what is new, and backups and drills go on", async () => {
      const before = { postgres: await labels("postgres"), files: await labels("files") };
      const { stdout } = await succeed("backup", "expire", "offsite", "--yes", "--anyway");
      expect(stdout).toContain("✓ offsite, PostgreSQL: 2 backups left");
      expect(await labels("postgres")).toEqual(before.postgres.slice(0, 2));
      expect((await labels("files"))[0]).toBe(before.files[0]);
      expect((await labels("files")).length).toBeLessThan(before.files.length);
      const again = await succeed("backup", "expire");
      expect(again.stdout).toContain("nothing to remove");
      // By the unit of docs/backups.md, which watches for that.
      await onStore(
        `for i in $(seq 60); do [ "$(stat -c %U ${folder}/postgres/backup/app/backup.info)" = app-keeper ] || exit 0; sleep 1; done; exit 1`,
      );
      await succeed("backup", "run", "postgres-full", "files");
      await succeed("backup", "verify");
      expect(await project.hostkit("status")).toMatchObject({ exitCode: 0 });
      await project.onHost("rm -r /srv/in");
      await succeed("restore", "files", "/srv/in", "--yes");
      expect(await project.onHost("cat /srv/in/a")).toContain("one");
    });

    test("its key is not changed by the host, and nothing of the operator's is on it", async () => {
      const refused = await project.hostkit("backup", "key", "rotate", "offsite", "--yes");
      expect(refused).toMatchObject({ exitCode: 64 });
      expect(refused.stderr).toContain("append-only");
      const text = await readFile(path.join(project.folder, "app-keeper"), "utf8");
      // The first line is the same in all keys.
      const line = text.split("\n")[2] ?? "";
      expect(line.length).toBeGreaterThan(40);
      expect(
        (
          await project.tryOnHost(
            `grep -rlF '${line}' /etc /var/lib/hostkit /usr/local /run /tmp /root`,
          )
        ).stdout,
      ).toBe("");
    });

    test("a backup of tomorrow does not count the good ones out", async () => {
      const restic = "/usr/local/lib/hostkit/app/backup-files restic offsite";
      await project.onHost(
        `${restic} backup --quiet --tag app --time "$(date -d '3 days' '+%F %T')" /srv/in`,
      );
      const before = await labels("files");
      const refused = await project.hostkit("backup", "expire", "--yes");
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.stderr).toContain("offsite, files: dated in the future");
      expect(await labels("files")).toEqual(before);
    });
  },
);

const manifest = `stack: app
hosts: {}
database: { databases: { books: { migrations: ./db } } }
backups:
  repositories: {}
  postgres: { full: weekly, incremental: daily, keep: { full: 2 } }
  files: { paths: [/srv/in], schedule: daily, keep: { daily: 1 } }
host: { updates: none }
firewall: none
`;

/** Shell of a page of docs, from the block that begins so. */
async function readBlock(page: string, start: string): Promise<string> {
  const file = path.resolve(import.meta.dirname, `../../docs/${page}.md`);
  const blocks = (await readFile(file, "utf8")).split("```sh\n").slice(1);
  const found = blocks.find((block) => block.startsWith(start))?.split("```")[0];
  if (found === undefined) throw new Error(`${page} has no such block`);
  return found;
}

/** pgBackRest and restic of a host, to be called on this machine. */
async function bringTools(host: LabHost, tools: string): Promise<void> {
  const script = path.resolve(import.meta.dirname, "../harness/borrow-tools.sh");
  await execa(script, [tools, ...sshArguments(host)]);
}
