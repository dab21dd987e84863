// Where the backups of scripts/drill go: what the manifest says of it, and what has to be there before.
import { execFileSync, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { shell, up } from "../faults.d/hosts.mjs";

/** @returns { repository, secrets, where, prepareHost?(host), end?() } of the manifest's repository `offsite` */
export const storages = {
  /** Another host with OpenSSH's SFTP server and a user that may do nothing else. */
  async sftp({ name, os, paths }) {
    const server = await up(name, os, paths);
    const keys = await mkdtemp(path.join(tmpdir(), "hostkit-drill-key-"));
    const identity = path.join(keys, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
    const key = (await readFile(`${identity}.pub`, "utf8")).trim();
    await shell(
      server,
      `useradd -m -s /usr/sbin/nologin backup-drill
install -d -m 0700 -o backup-drill -g backup-drill /home/backup-drill/.ssh /srv/backups
printf '%s\\n' 'restrict,command="internal-sftp" ${key}' >/home/backup-drill/.ssh/authorized_keys
printf 'Match User backup-drill\\n  ForceCommand internal-sftp\\n' >/etc/ssh/sshd_config.d/90-drill.conf
systemctl reload ssh`,
    );
    return {
      repository: {
        host: server.address,
        user: "backup-drill",
        path: "/srv/backups",
        identity,
        host_key: server.hostKey,
      },
      secrets: {},
      where: "an SFTP server (OpenSSH) on another lab host",
      end: () => rm(keys, { recursive: true }),
    };
  },

  /**
   * A stand-in for a provider: s3rver, an S3 server written in JavaScript, with TLS of its own, on this machine. It takes signatures that do not
   * match: those of restic's library for the bucket itself (`/bucket/`) are refused by it else.
   */
  async s3({ paths }) {
    const work = path.join(paths.cache, "s3rver");
    await mkdir(work, { recursive: true });
    const run = (command, ...words) => execFileSync(command, words, { cwd: work, stdio: "ignore" });
    await writeFile(path.join(work, "package.json"), '{ "private": true }\n');
    run("npm", "install", "--no-audit", "--no-fund", "@20minutes/s3rver@4.0.4");
    const name = "s3.drill.test";
    run(
      ...[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
      ],
      ...["-keyout", "key.pem", "-out", "certificate.pem", "-days", "7", "-subj", `/CN=${name}`],
      ...["-addext", `subjectAltName=DNS:${name}`],
    );
    const data = await mkdtemp(path.join(tmpdir(), "hostkit-drill-s3-"));
    const server = spawn("node", [path.join(import.meta.dirname, "s3-server.cjs"), work, data], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const port = await new Promise((resolve, reject) => {
      server.stdout.once("data", (chunk) => resolve(Number(chunk)));
      server.once("exit", (code) => reject(new Error(`s3rver ended with ${code}`)));
    });
    const certificate = await readFile(path.join(work, "certificate.pem"), "utf8");
    return {
      repository: {
        bucket: "drill",
        endpoint: `https://${name}:${port}`,
        access_key: "DRILL_ACCESS",
        secret_key: "DRILL_SECRET",
      },
      secrets: { DRILL_ACCESS: "S3RVER", DRILL_SECRET: "S3RVER" },
      where: "an S3 server (s3rver, a stand-in) on the controller",
      prepareHost: (host) =>
        shell(
          host,
          `echo '${host.address.replace(/\.\d+$/, ".1")} ${name}' >>/etc/hosts
cat >/usr/local/share/ca-certificates/drill.crt <<'EOT'
${certificate}EOT
update-ca-certificates >/dev/null 2>&1`,
        ),
      async end() {
        server.kill();
        await rm(data, { recursive: true });
      },
    };
  },
};
