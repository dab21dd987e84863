import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LabProject } from "../harness/lab-project.ts";
import { makeProject } from "../harness/lab-project.ts";

/**
 * Users of a host who plant links and names where hostkit writes as root: whatever a provision then says, root's files are as they
 * were, and once the planted thing is gone the next provision ends well.
 */
const manifest = `stack: bait
hosts: {}
database: { databases: { app: { owner: app_owner } } }
services: { keeper: { apt: memcached, exec: /usr/bin/memcached -l 127.0.0.1 -p 11999 } }
proxy: { email: ops@example.org, sites: { a.example.org: { tls: internal, redirect: "https://b.example.org/" } } }
backups:
  repositories: { local: { path: /srv/open/backups } }
  files: { paths: [/etc/hostname] }
host: { updates: none }
`;

const config = "/etc/postgresql/17/main";

interface Plant {
  readonly about: string;
  readonly as: string;
  /** As that user, in that user's folder. */
  readonly plant: string;
  readonly clear: string;
}

const link = (as: string, path: string, to = "/root/bait/file"): Plant => ({
  about: `${as}: ${path} leads to ${to}`,
  as,
  plant: `if [ -e ${path} ]; then mv ${path} ${path}.mine; fi; ln -s ${to} ${path}`,
  clear: `rm -f ${path}; if [ -e ${path}.mine ]; then mv ${path}.mine ${path}; fi`,
});
const dropIn = `${config}/conf.d/50-hostkit-bait.conf`;
const plants: readonly Plant[] = [
  ...["pg_hba.conf", "pg_ident.conf"].flatMap((name) => [
    link("postgres", `${config}/${name}`),
    link("postgres", `${config}/${name}.hostkit-new`),
    link("postgres", `${config}/.${name}.hostkit-new`),
  ]),
  link("postgres", dropIn),
  link("postgres", `${dropIn}.hostkit-new`),
  link("postgres", `${dropIn}.hostkit-restore`),
  link("postgres", `${config}/conf.d`, "/root/bait"),
  link("postgres", `${config}/conf.d`, "/etc/apt/apt.conf.d"),
  {
    about: "caddy: the Caddyfile is a pipe",
    as: "caddy",
    plant: "rm /etc/caddy/Caddyfile; mkfifo /etc/caddy/Caddyfile",
    clear: "rm -f /etc/caddy/Caddyfile",
  },
  link("caddy", "/etc/caddy/Caddyfile"),
  link("caddy", "/etc/caddy/Caddyfile.hostkit-new"),
  link("caddy", "/etc/caddy/Caddyfile.hostkit-check"),
  link("bait-keeper", "/var/lib/bait-keeper/state"),
  link("ops", "/srv/open/backups", "/root/bait"),
  link("ops", "/srv/open/backups/files", "/root/bait"),
];

/** One a way of writing: as PostgreSQL's user, Caddy's, a service's, an admin's. scripts/strangers tries all. */
const sample = new Set([
  `postgres: ${config}/pg_hba.conf.hostkit-new leads to /root/bait/file`,
  `postgres: ${dropIn} leads to /root/bait/file`,
  `postgres: ${config}/conf.d leads to /root/bait`,
  "caddy: the Caddyfile is a pipe",
  "caddy: /etc/caddy/Caddyfile leads to /root/bait/file",
  "bait-keeper: /var/lib/bait-keeper/state leads to /root/bait/file",
  "ops: /srv/open/backups leads to /root/bait",
]);
const isWhole = process.env["HOSTKIT_STRANGERS"] !== undefined;
const chosen = plants.filter(({ about }) => isWhole || sample.has(about));

let project: LabProject;
let rounds = 0;

beforeAll(async () => {
  project = await makeProject("planted", "debian-13", manifest);
  await project.onHost("install -d -o ops /srv/open");
  await project.hostkit("provision", "--yes");
  // What admins do so that a user may edit it.
  await project.onHost("chown -R caddy /etc/caddy; chown -R ops /srv/open");
  await project.onHost(
    "mkdir -m 700 /root/bait; echo of-root >/root/bait/file; chmod 600 /root/bait/file",
  );
});
afterAll(async () => {
  await project?.down();
});

/** Everything of root's that a link could lead to: names, owners, modes, content. */
const picture =
  "{ find /root/bait /etc/apt/apt.conf.d /etc/shadow -printf '%p %u %m %l\\n'; cat /root/bait/file /etc/shadow; } | sort | sha256sum";

/** Other content for every place. */
async function changeEverything(): Promise<void> {
  rounds += 1;
  await project.edit(
    [["database", "settings"], { work_mem: `${8 + rounds}MB` }],
    [["database", "databases", `more${rounds % 2}`], { owner: `owner${rounds}` }],
    [["proxy", "sites", "a.example.org", "redirect"], `https://b${rounds}.example.org/`],
  );
}

describe("what users of the host plant", { sequential: true }, () => {
  test("the sample is there", () => {
    expect(plants.filter(({ about }) => sample.has(about))).toHaveLength(sample.size);
  });

  test.each(chosen)("$about", async ({ as, plant, clear }) => {
    const before = await project.onHost(picture);
    const asUser = (text: string) => `runuser -u ${as} -- sh -c '${text}'`;
    await project.tryOnHost(asUser(plant));
    await changeEverything();
    const plan = await project.hostkit("plan");
    expect(plan.stdout + plan.stderr).not.toContain("of-root");
    const planted = await project.hostkit("provision", "--yes");
    const said = planted.stdout + planted.stderr;
    expect(said).not.toContain("of-root");
    if (planted.exitCode !== 0) expect(said).toMatch(/hostkit does not (follow|touch) it/);
    expect(await project.onHost(picture), said).toBe(before);
    await project.tryOnHost(asUser(clear));
    const after = await project.hostkit("provision", "--yes");
    expect(after.exitCode, after.stdout + after.stderr).toBe(0);
    expect(await project.onHost(picture)).toBe(before);
  });
});
