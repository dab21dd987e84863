import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { CliResult, LabProject } from "../harness/lab-project.ts";

/** Adds a line to its volume every tenth of a second, and takes two seconds to stop. */
const writer = `const fs = require("fs");
let n = fs.existsSync("/data/log") ? fs.readFileSync("/data/log", "utf8").split("\\n").length : 0;
setInterval(() => fs.appendFileSync("/data/log", "line " + n++ + "\\n"), 100);
process.on("SIGTERM", () => setTimeout(() => process.exit(), 2000));
`;

/** All that a file system knows of the tree in which it is called, but for when folders were written to. */
const picture = `find . -printf '%p %y %m %U:%G ' '(' -type f -printf '%s %n %T@' -o -type l -printf '%l %T@' -o -printf - ')' -printf '\\n' | sort
getfattr -R -h -d -m - . 2>/dev/null
find . -type f -exec sha256sum {} + | sort -k 2`;

const extended = ["acl", "attr"];
const restores = "/var/lib/hostkit/depot/restores";
const data = "/var/lib/docker/volumes/hostkit-depot-data/_data";

/** Debian 12: its restic knows no --sparse, and its mv no --exchange. */
describe("files and volumes are brought back, on Debian 12", { sequential: true }, () => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject(
      "restore-files",
      "debian-12",
      `stack: depot
hosts: {}
database: { databases: { depot: { owner: keeper } } }
services:
  worker: { build: worker, volumes: [data:/data] }
backups:
  repositories: { local: { path: /var/backups/depot } }
  files: { paths: [/srv/files], volumes: [data], schedule: daily, keep: { daily: 3 } }
host: { updates: none }
firewall: none
`,
      extended,
    );
    await offerNodeImage(project.host);
    await mkdir(path.join(project.folder, "worker"));
    await project.write(
      "worker/Dockerfile",
      `FROM ${nodeImageTag}\nCOPY worker.js /\nCMD ["node", "/worker.js"]\n`,
    );
    await project.write("worker/worker.js", writer);
    await project.onHost(`mkdir -p /srv/files/deep/er && cd /srv/files
echo plain >plain; echo secret >s; chown nobody:games s; chmod 4750 s
mkdir -m 2770 shared; chown games:nogroup shared; setfacl -m u:nobody:rx,d:g:games:rwx shared
echo x >deep/er/one; ln deep/er/one other-name; ln -s ../plain deep/link; mkfifo -m 600 pipe
setfattr -n user.note -v kept plain
cp /bin/true capable; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 capable
printf 'a' | dd of=sparse bs=1 seek=64M status=none; head -c 100k /dev/urandom >>sparse
touch -d '2020-02-02 02:02:02.123456789' plain; touch -h -d '2021-01-01' deep/link
echo 'odd [name]* é' >'odd [name]* é
two'; touch deep/*`);
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterAll(() => project?.down());

  const succeed = async (result: Promise<CliResult>): Promise<CliResult> => {
    const done = await result;
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    return done;
  };
  const look = (folder: string): Promise<string> => project.onHost(`cd ${folder}; ${picture}`);
  const isWorking = async (): Promise<boolean> =>
    (await project.tryOnHost("systemctl is-active 'depot-worker-*.service'")).exitCode === 0;

  test("a folder is as it was, with all that a file system keeps", async () => {
    const before = await look("/srv/files");
    expect(before).toContain("user.note");
    expect(before).toContain("security.capability");
    expect(before).toContain("system.posix_acl_default");
    await project.onHost(`cd /srv/files; rm -r deep sparse; echo new >added; echo other >plain
chown root s; setfacl -b shared; mkdir kept-too`);
    const messed = await look("/srv/files");
    const dry = await succeed(project.hostkit("restore", "files", "/srv/files", "--dry-run"));
    expect(dry.stdout).toMatch(/5 added, 2 changed, 2 removed/);
    expect(dry.stdout).toContain("+ /srv/files/deep/er/one");
    expect(dry.stdout).toContain("- /srv/files/added");
    expect(await look("/srv/files")).toBe(messed);
    expect((await project.tryOnHost(`ls ${restores}`)).exitCode).not.toBe(0);

    expect(await project.hostkit("restore", "files", "/srv/files")).toMatchObject({ exitCode: 64 });
    const done = await succeed(project.hostkit("restore", "files", "/srv/files", "--yes"));
    expect(await look("/srv/files")).toBe(before);
    expect(Number(await project.onHost("du -k /srv/files/sparse | cut -f 1"))).toBeLessThan(1024);
    const [, kept = ""] = /is in (\S+)/.exec(done.stdout) ?? [];
    expect(await look(kept)).toBe(messed);
    const again = await succeed(project.hostkit("restore", "files", "/srv/files", "--dry-run"));
    expect(again.stdout).toContain("nothing differs");
    await succeed(project.hostkit("restore", "discard", "--yes"));
    expect((await project.tryOnHost(`ls ${restores} ${kept}`)).stdout).toBe("");
  });

  test("one file, below another folder, by a time; what no snapshot has is refused with what there is", async () => {
    await succeed(
      project.hostkit(
        "restore",
        "files",
        "/srv/files/deep",
        "/srv/files/s",
        "--into",
        "/srv/back",
        "--yes",
      ),
    );
    await project.onHost("diff -r --no-dereference /srv/files/deep /srv/back/srv/files/deep");
    expect(await project.onHost("stat -c '%a %U %G' /srv/back/srv/files/s")).toBe(
      "4750 nobody games",
    );
    expect(
      await project.hostkit("restore", "files", "/srv/files/s", "--into", "/srv/back", "--yes"),
    ).toMatchObject({ exitCode: 64 });
    const missing = await project.hostkit("restore", "files", "/srv/files/nothing", "--yes");
    expect(missing.exitCode).toBe(64);
    expect(missing.stderr).toContain("| /srv/files/plain");
    const outside = await project.hostkit("restore", "files", "/etc/passwd", "--yes");
    expect(outside.exitCode).toBe(64);
    expect(outside.stderr).toMatch(/local: \/srv\/files .*UTC/);
    const early = await project.hostkit(
      ...["restore", "files", "/srv/files", "--to", "2020-01-01 00:00 UTC"],
    );
    expect(early.exitCode).toBe(64);
    expect(early.stderr).toContain("no snapshot of 2020-01-01 00:00 UTC or before has /srv/files");
    expect(await project.onHost("cat /srv/files/plain")).toBe("plain");
  });

  test("a volume: its service is stopped meanwhile, and goes on from what was backed up", async () => {
    const backedUp = Number(
      await project.onHost(
        "/usr/local/lib/hostkit/depot/backup-files restic local dump -q latest " +
          `${data}/log | wc -l`,
      ),
    );
    await until(
      "more is written",
      async () => Number(await project.onHost(`wc -l <${data}/log`)) > backedUp + 20,
    );
    const began = await project.onHost("date +%s");
    const done = await succeed(project.hostkit("restore", "volume", "data", "--yes"));
    expect(done.stdout).toMatch(/depot-worker-a\.service is active/);
    expect(
      Number(
        await project.onHost(
          "systemctl show -p ActiveEnterTimestamp --value depot-worker-a | xargs -I{} date -d {} +%s",
        ),
      ),
    ).toBeGreaterThanOrEqual(Number(began));
    await until(
      "it goes on",
      async () => Number(await project.onHost(`wc -l <${data}/log`)) > backedUp,
    );
    // One after the other without a gap: nothing of the time in between is in there.
    expect(
      await project.onHost(
        `awk '$2 != NR - 1 && NR <= ${backedUp} { bad++ } END { print bad + 0 }' ${data}/log`,
      ),
    ).toBe("0");
    const [, kept = ""] = /is in (\S+)/.exec(done.stdout) ?? [];
    expect(Number(await project.onHost(`wc -l <${kept}/log`))).toBeGreaterThan(backedUp + 20);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    await succeed(project.hostkit("restore", "discard", "--yes"));
  });

  test("its runner is killed while the service is stopped: the next provision starts it, the next restore clears up", async () => {
    const marked = await project.onHost(`echo mark >${data}/mark; stat -c %i ${data}`);
    const controller = project.start("restore", "volume", "data", "--yes");
    await until("the service is being stopped", async () =>
      (await project.tryOnHost(`cat ${restores}/*/stopped`)).stdout.includes("worker"),
    );
    await project.onHost("systemctl kill -s KILL 'hostkit-run-depot-*'");
    expect((await controller).exitCode).toBe(130);
    expect(await project.onHost(`cat ${data}/mark; stat -c %i ${data}`)).toBe(`mark\n${marked}`);
    await until("it is stopped", async () => !(await isWorking()));
    await succeed(project.hostkit("provision", "--yes"));
    expect(await isWorking()).toBe(true);
    const left = await project.onHost(`ls ${restores}`);
    // As if another one had been cut off right after an exchange, and a third between the two renames that stand for one.
    await project.onHost(`cd ${restores}; mkdir -p x/1 y/1 /srv/half; echo new >/srv/x
echo old >x/1/content; echo /srv/x >x/1/to; stat -c %i x/1/content >x/1/inode
echo old >y/1/before; echo new >y/1/content; echo /srv/half/y >y/1/to; stat -c %i y/1/before >y/1/inode`);
    await succeed(project.hostkit("restore", "files", "/srv/files/plain", "--yes"));
    const after = (await project.onHost(`ls ${restores}`)).split("\n");
    expect(after).not.toContain(left);
    expect(after).not.toContain("y");
    expect(await project.onHost(`cat ${restores}/x/1/before /srv/x /srv/half/y`)).toBe(
      "old\nnew\nold",
    );
    expect(await project.onHost(`cat ${data}/mark`)).toBe("mark");
    await succeed(project.hostkit("restore", "discard", "x", "--yes"));
    expect((await project.onHost(`ls ${restores}`)).split("\n")).toHaveLength(1);
  });

  test("an export is whole, only its owner's, and loads without hostkit", async () => {
    await project.onHost(
      `setpriv --reuid=postgres --regid=postgres --init-groups psql -q -d depot -c "create table t as select generate_series(1, 1000) n" -c "alter table t owner to keeper"`,
    );
    const to = path.join(project.folder, "out");
    const done = await succeed(project.hostkit("backup", "export", "--to", "out"));
    expect(done.stdout + done.stderr).not.toContain("SCRAM");
    expect((await readdir(project.folder)).filter((name) => name.startsWith("out"))).toEqual([
      "out",
    ]);
    const files = (await readdir(to, { recursive: true })).sort();
    expect(files).toEqual([
      ...["README.md", "SHA256SUMS", "databases", "databases/depot.dump", "files"],
      ...["files/1-srv-files.tar", "roles.sql", "volumes", "volumes/data.tar"],
    ]);
    for (const file of files) {
      const { mode } = await stat(path.join(to, file));
      expect((mode & 0o077).toString(8), file).toBe("0");
    }
    await execa("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: to });
    const page = await readFile(path.join(to, "README.md"), "utf8");
    expect(page).toContain("pg_restore --create");
    const send = async (file: string, command: string): Promise<void> => {
      const input = (await readFile(path.join(to, file))).toString("base64");
      const decoded = `base64 -d >/tmp/sent; ${command}`;
      const { exitCode, stderr } = await runOnLabHost(project.host, decoded, { input });
      expect(exitCode, stderr).toBe(0);
    };
    await send(
      "databases/depot.dump",
      `cd /tmp; as="setpriv --reuid=postgres --regid=postgres --init-groups"; $as createdb scratch && $as pg_restore --exit-on-error -d scratch </tmp/sent`,
    );
    expect(
      await project.onHost(
        `cd /tmp; setpriv --reuid=postgres --regid=postgres --init-groups psql -At -d scratch -c "select count(*), sum(n) from t"`,
      ),
    ).toBe("1000|500500");
    await send(
      "files/1-srv-files.tar",
      "mkdir /srv/loose && tar --extract --numeric-owner --acls --xattrs '--xattrs-include=*' -f /tmp/sent -C /srv/loose",
    );
    expect(await look("/srv/loose/srv/files")).toBe(await look("/srv/files"));
    expect(await project.hostkit("backup", "export", "--to", "out")).toMatchObject({
      exitCode: 64,
    });
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "the repository gets another key: old backups open with it, the old key opens nothing; one that was cut off is ended",
    async () => {
      const key = "/etc/hostkit/depot/backup/local.password";
      const restic = "/usr/local/lib/hostkit/depot/backup-files restic local";
      await project.onHost(`cp ${key} /root/old-key`);
      const before = await project.onHost(
        `${restic} snapshots --json | grep -o '"short_id"' | wc -l`,
      );
      await succeed(project.hostkit("backup", "key", "rotate", "local", "--yes"));
      expect(
        await project.onHost(`${restic} snapshots --json | grep -o '"short_id"' | wc -l`),
      ).toBe(before);
      expect(
        (await project.tryOnHost(`${restic} --password-file /root/old-key snapshots`)).stderr,
      ).toMatch(/wrong password/i);
      // As a run leaves it that ended behind the exchange of the files.
      await project.onHost(
        `echo stray >/root/stray && ${restic} key add --new-password-file /root/stray && ${restic} --password-file /root/stray key list --json | tr '{' '\\n' |
sed -n '/"current":true/s/.*"id":"\\([0-9a-f]*\\)".*/\\1/p' >/var/lib/hostkit/depot/backups/rotating-local`,
      );
      await succeed(project.hostkit("backup", "key", "rotate", "local", "--yes"));
      expect(await project.onHost(`${restic} key list --json | grep -o '"current"' | wc -l`)).toBe(
        "1",
      );
      expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
      expect(await project.hostkit("backup", "key", "rotate", "none")).toMatchObject({
        exitCode: 64,
      });
    },
  );
});
