import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { getSite, makeProject, runIn, until } from "../harness/lab-project.ts";
import type { CliResult, LabProject } from "../harness/lab-project.ts";

/** Caddy is on the host anyway: its `respond` is the smallest web service there is. */
function manifestOf(stack: string, port: number, more = ""): string {
  return `stack: ${stack}
hosts: {}
web: { page: { exec: "/usr/bin/caddy respond --listen 127.0.0.1:${port} ${stack}", port: ${port} } }
proxy: { sites: { ${stack}.example.org: { tls: internal, routes: page } } }
${more}`;
}

const first = manifestOf(
  "one",
  8101,
  `firewall: { allow: [ssh, http, https, 7301] }
host: { updates: all, sysctl: { net.ipv4.tcp_fin_timeout: 41 }, journal: { max: 400M } }
`,
);
const second = manifestOf("two", 8102, "firewall: { allow: [ssh, http, https, 7302] }\n");

/** What a person had on the host before. */
const personal = `mkdir -p /etc/docker /etc/caddy /srv/mine
printf '{"log-driver": "json-file", "labels": ["mine"]}' >/etc/docker/daemon.json
echo 'net.ipv4.tcp_keepalive_time = 4242' >/etc/sysctl.d/50-mine.conf
nft add table inet mine
nft add chain inet mine c
nft add rule inet mine c tcp dport 9999 accept`;

let one: LabProject;
let folder: string;

/** The second stack, on the host of the first. */
async function two(...words: string[]): Promise<CliResult> {
  return runIn(folder, ...words);
}

async function serves(stack: string): Promise<void> {
  await until(`${stack} is served`, async () => {
    const answer = await getSite(one.host.address, `${stack}.example.org`, "/");
    return answer.status === 200 && answer.body === stack;
  });
}

const rules = "nft list table inet hostkit";

describe("two stacks on one host", { sequential: true }, () => {
  beforeAll(async () => {
    one = await makeProject("two-stacks", "debian-13", first, ["caddy", "nftables"]);
    const { hosts } = parse(await one.read("hostkit.yaml")) as { hosts: unknown };
    folder = await mkdtemp(path.join(tmpdir(), "hostkit-two-"));
    const manifest = parse(second) as Record<string, unknown>;
    await writeFile(path.join(folder, "hostkit.yaml"), stringify({ ...manifest, hosts }));
    await one.onHost(personal);
  });
  afterAll(async () => {
    await one.down();
    await rm(folder, { recursive: true, force: true });
  });

  test("both serve, and nothing of the first is changed by the second", async () => {
    const made = await one.hostkit("provision", "--yes");
    expect(made.exitCode, made.stdout + made.stderr).toBe(0);
    const kept =
      "cat /etc/sysctl.d/60-hostkit.conf /etc/apt/apt.conf.d/52hostkit /etc/systemd/journald.conf.d/60-hostkit.conf";
    const before = await one.onHost(kept);
    const started =
      // A second Caddy takes over in the same unit.
      "systemctl show -p ExecMainStartTimestampMonotonic one-page systemd-journald; systemctl show -p ActiveEnterTimestampMonotonic caddy";
    const running = await one.onHost(started);
    const planned = await two("plan");
    expect(planned.stdout).not.toContain("52hostkit");
    const also = await two("provision", "--yes");
    expect(also.exitCode, also.stdout + also.stderr).toBe(0);
    await serves("one");
    await serves("two");
    expect(await one.onHost(kept)).toBe(before);
    expect(await one.onHost(started), "nothing of the first was started again").toBe(running);
    const table = await one.onHost(rules);
    for (const port of [7301, 7302]) expect(table).toContain(`tcp dport ${port} accept`);
  });

  test("both plans are empty, whoever was provisioned last", async () => {
    expect((await one.hostkit("plan")).exitCode).toBe(0);
    expect((await two("plan")).exitCode).toBe(0);
    expect((await one.hostkit("provision", "--yes")).exitCode).toBe(0);
    expect((await two("plan")).exitCode).toBe(0);
  });

  test("what only one of them can have is refused with the owner's name, before anything is done", async () => {
    const written = await one.read("hostkit.yaml");
    await one.edit(
      [["proxy", "sites", "two.example.org"], { tls: "internal", routes: "page" }],
      [["web", "page", "port"], 8102],
    );
    const refused = await one.hostkit("provision", "--yes");
    await one.write("hostkit.yaml", written);
    expect(refused.exitCode).toBe(65);
    expect(refused.stderr).toContain("site two.example.org: stack two has it");
    expect(refused.stderr).toContain("port 8102/tcp: stack two has it");
    expect((await two("plan")).exitCode).toBe(0);
  });

  test("a certificate that Caddy refuses is placed nowhere, and both go on serving, after a restart too", async () => {
    const written = await one.read("hostkit.yaml");
    // A pair that belongs together, on a curve that Caddy's language does not know.
    const pair = await one.onHost(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -days 2 -subj /CN=one.example.org -keyout /root/k -out /root/c 2>/dev/null; cat /root/c; echo ===; cat /root/k",
    );
    const [certificate = "", key = ""] = pair.split("===\n");
    await one.write("c.pem", certificate);
    await one.write("k.pem", `${key}\n`);
    await one.edit([
      ["proxy", "sites", "one.example.org", "tls"],
      { certificate: "c.pem", key: "k.pem" },
    ]);
    const listing = "find /etc/caddy -type f | sort | xargs sha256sum";
    const before = await one.onHost(listing);
    const refused = await one.hostkit("provision", "--yes");
    expect(refused.exitCode, refused.stdout + refused.stderr).toBe(1);
    expect(refused.stdout + refused.stderr).toContain("Caddy refuses the configuration; nothing");
    expect(await one.onHost(listing)).toBe(before);
    await one.onHost("systemctl restart caddy");
    await serves("one");
    await serves("two");
    await one.write("hostkit.yaml", written);
    expect((await one.hostkit("provision", "--yes")).exitCode).toBe(0);
  });

  test("each uninstalls without touching the other, nor what a person wrote", async () => {
    const gone = await one.hostkit("uninstall", "--yes");
    expect(gone.exitCode, gone.stdout + gone.stderr).toBe(0);
    await serves("two");
    const plan = await two("plan");
    expect(plan.exitCode, plan.stdout).toBe(0);
    const table = await one.onHost(rules);
    expect(table).toContain("tcp dport 7302 accept");
    expect(table).not.toContain("7301");
    const also = await two("uninstall", "--yes");
    expect(also.exitCode, also.stdout + also.stderr).toBe(0);
    expect((await one.tryOnHost(rules)).exitCode).not.toBe(0);
    expect(await one.onHost("cat /etc/docker/daemon.json")).toBe(
      '{"log-driver": "json-file", "labels": ["mine"]}',
    );
    expect(await one.onHost("cat /etc/sysctl.d/50-mine.conf")).toContain("4242");
    expect(await one.onHost("nft list table inet mine")).toContain("9999");
    const left = await one.tryOnHost(
      "find /etc -xdev -type f -path '*hostkit*'; ls -d /etc/caddy/hostkit /etc/systemd/system/{one,two}* 2>/dev/null",
    );
    expect(left.stdout, also.stdout).toBe("");
  });
});
