import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { Server } from "node:https";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { trustAcmeServer, upAcmeServer } from "../../src/lab/acme.ts";
import type { AcmeServer } from "../../src/lab/acme.ts";
import { buildProbe, need, parseProbe } from "../../src/facts/fact.ts";
import { unitFacts } from "../../src/facts/units/unit.ts";
import type { UnitFact } from "../../src/facts/units/unit.ts";
import { downLabHost } from "../../src/lab/host.ts";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { getSite, makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** Holds a POSIX lock on dpkg's lock file, as another apt would, until the command `$1` succeeds. `$$`: systemd-run's `$`. */
const holdLock = `use Fcntl; open(F, ">>", "/var/lib/dpkg/lock-frontend") or die; my $$l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $$l) or die; sleep 1 while system($$ARGV[0])`;

describe("one web service with a certificate by ACME, on Debian 13", () => {
  const site = "page.lab.example";
  let project: LabProject;
  const acmeHost = `one-web-acme-${process.pid}`;
  let acme: AcmeServer;

  beforeAll(async () => {
    project = await makeProject(
      "one-web",
      "debian-13",
      `stack: page
hosts: {}
web:
  page: { build: { context: ./page, args: { BASE_IMAGE: "hostkit-lab/node:20" } }, port: 8000, health: /, watch: none }
proxy:
  email: ops@lab.example
  sites: { ${site}: { tls: acme, routes: { "/*": page } } }
`,
    );
    await offerNodeImage(project.host);
    acme = await upAcmeServer({ [site]: project.host.address }, { name: acmeHost });
    await trustAcmeServer(acme, project.host);
    await project.write("ca.pem", await readFile(acme.serverCaPath, "utf8"));
    await project.edit(
      [["proxy", "acme_directory"], acme.directory],
      [["proxy", "acme_ca_root"], "ca.pem"],
    );
    await mkdir(path.join(project.folder, "page"));
    await project.write(
      "page/Dockerfile",
      'ARG BASE_IMAGE=node:20-slim\nFROM ${BASE_IMAGE}\nCOPY server.js /server.js\nCMD ["node", "/server.js"]\n',
    );
    await project.write(
      "page/server.js",
      'require("http").createServer((_, answer) => answer.end("hello")).listen(8000);\nprocess.on("SIGTERM", () => process.exit());\n',
    );
  });
  afterAll(async () => {
    await downLabHost(acmeHost);
    await project?.down();
  });

  test("a program on port 80 is named before anything is changed", async () => {
    await project.onHost(
      "systemd-run -q --unit=squatter perl -MIO::Socket::INET -e '$$s = IO::Socket::INET->new(Listen => 1, LocalPort => 80) or die; sleep 600' && until ss -Hltn | grep -q :80; do sleep 0.1; done",
    );
    const refused = await project.hostkit("provision", "--yes");
    expect(refused.exitCode, refused.stdout).toBe(1);
    expect(refused.stderr).toMatch(/port 80 is taken by perl/);
    expect((await project.tryOnHost("test -e /var/lib/hostkit")).exitCode).toBe(1);
    await project.onHost("systemctl stop squatter");
  });

  test("an interrupted dpkg is repaired, a busy apt is waited for by name, and the site gets its certificate", async () => {
    await project.onHost(
      'apt-get update -qq && cd /tmp && apt-get download -qq bc >/dev/null 2>&1 && dpkg --unpack bc_*.deb >/dev/null; test -n "$(dpkg --audit)"',
    );
    const isWaiting = "grep -qs waiting /var/lib/hostkit/page/runs/*/c/*/1.log";
    await project.onHost(`systemd-run -q perl -e '${holdLock}' '${isWaiting}'`);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    const log = await project.onHost("cat /var/lib/hostkit/page/runs/*/c/*/1.log");
    expect(log).toMatch(/waiting for apt: locked by process \d+ \(.*perl/);
    expect(log).toContain("dpkg was interrupted earlier: repairing bc");
    const root = await readFile(acme.issuerRootPath, "utf8");
    await until(
      "the certificate is there",
      async () => (await getSite(project.host.address, site, "/", root)).body === "hello",
    );
    const plan = await project.hostkit("plan");
    expect(plan.exitCode, plan.stdout + plan.stderr).toBe(0);
  });

  test("status tells the site, the certificate's end and the unit", async () => {
    const status = await project.hostkit("status", "--json");
    expect(status.exitCode, status.stderr).toBe(0);
    expect(status.stdout).toContain(site);
    expect(status.stdout).toContain("page-page-a.service");
  });
});

describe("only a database, a firewall and a program, on Debian 12", () => {
  const program = "#!/bin/sh\nexec sleep infinity\n";
  let project: LabProject;
  let shop: Server;
  let url: string;

  beforeAll(async () => {
    project = await makeProject(
      "one-db",
      "debian-12",
      `stack: store
hosts: {}
database:
  databases: { store: { owner: keeper } }
firewall: { allow: [ssh] }
`,
    );
    const gateway = project.host.address.replace(/\.\d+$/, ".1");
    shop = await openShop(project, gateway, program);
    url = `https://${gateway}:${(shop.address() as { port: number }).port}/tool`;
  });
  afterAll(async () => {
    shop?.close();
    await project?.down();
  });

  test("a manifest with only database and firewall provisions, and nothing is left to do", async () => {
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(
      await project.onHost("runuser -u postgres -- psql -XAtqc 'show data_checksums' store"),
    ).toBe("on");
    const plan = await project.hostkit("plan");
    expect(plan.exitCode, plan.stdout + plan.stderr).toBe(0);
    expect((await project.tryOnHost("command -v docker caddy")).exitCode).not.toBe(0);
  });

  test("a download with a wrong checksum is refused with both checksums; with the right one it runs", async () => {
    const wrong = "0".repeat(64);
    const right = createHash("sha256").update(program).digest("hex");
    await project.edit([["services"], { tool: { archive: { url, sha256: wrong }, exec: "tool" } }]);
    const refused = await project.hostkit("provision", "--yes");
    expect(refused.exitCode, refused.stdout).toBe(1);
    expect(refused.stderr).toContain(wrong);
    expect(refused.stderr).toContain(right);
    await project.edit([["services", "tool", "archive", "sha256"], right]);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(await project.onHost("systemctl is-active store-tool.service")).toBe("active");
  });

  test("a package of the distribution runs as its own user, with its own folders, in hostkit's unit", async () => {
    await project.edit([["services", "cache"], { apt: "redis-server", env: { LIMIT: "1" } }]);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(await project.onHost("redis-cli set spot 14025.5 && redis-cli save")).toBe("OK\nOK");
    expect(
      await project.onHost(
        "systemctl is-enabled redis-server; systemctl show -p User -p Type --value store-cache.service; ps -o user= -C redis-server",
      ),
    ).toBe("disabled\nnotify\nredis\nredis");
    expect((await project.hostkit("plan")).stdout).toContain("nothing to change");
    await project.onHost("rm /etc/systemd/system/store-cache.service.d/10-package.conf");
    const mended = await project.hostkit("provision", "--yes");
    expect(mended.exitCode, mended.stdout + mended.stderr).toBe(0);
    expect(await project.onHost("redis-cli get spot")).toBe("14025.5");
  });

  test("one list of systemd's is enough while all is well; what is not is named", async () => {
    const look = async (): Promise<{ reply: string; fact: UnitFact | undefined }> => {
      // Nothing was started a moment ago: then systemd is asked about each unit anyway.
      await project.onHost("touch -h -d '5 minutes ago' /run/systemd/units/invocation:*");
      const needs = [need(unitFacts, unit)];
      const reply = `${await project.onHost(buildProbe(needs, "cafe").text)}\n`;
      return { reply, fact: parseProbe(needs, "cafe", reply)?.get(unitFacts, unit) };
    };
    const unit = "store-tool.service";
    const well = {
      ...{ loadState: "loaded", activeState: "active", unitFileState: "enabled" },
      ...{ needsDaemonReload: false, result: "success" },
    };
    const first = await look();
    expect(first.reply).toContain(`\nActive enabled ${unit}\n`);
    expect(first.fact).toEqual(well);
    for (const [change, seen, undo] of [
      [`systemctl stop ${unit}`, { activeState: "inactive" }, `systemctl start ${unit}`],
      [
        `systemctl disable -q ${unit}`,
        { unitFileState: "disabled" },
        `systemctl enable -q ${unit}`,
      ],
      [`touch /etc/systemd/system/${unit}`, { needsDaemonReload: true }, "systemctl daemon-reload"],
      [
        `mkdir /etc/systemd/system/${unit}.d; echo '[Service]' >/etc/systemd/system/${unit}.d/x.conf`,
        { needsDaemonReload: true },
        `rm -r /etc/systemd/system/${unit}.d; systemctl daemon-reload`,
      ],
    ] as const) {
      await project.onHost(change);
      const { reply, fact } = await look();
      expect(reply, change).not.toContain("\nActive ");
      expect(fact, change).toEqual({ ...well, ...seen });
      await project.onHost(undo);
      expect((await look()).fact, undo).toEqual(well);
    }
  });

  test("what the manifest no longer names is taken away; data is not", async () => {
    const manifest = await project.read("hostkit.yaml");
    await project.write("hostkit.yaml", manifest.slice(0, manifest.indexOf("services:")));
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    for (const unit of ["store-tool", "store-cache"])
      expect((await project.tryOnHost(`systemctl cat ${unit}.service`)).exitCode, unit).not.toBe(0);
    const uninstall = await project.hostkit("uninstall", "--yes");
    expect(uninstall.exitCode, uninstall.stdout + uninstall.stderr).toBe(0);
    expect(await project.onHost("runuser -u postgres -- psql -XAtqc 'select 1' store")).toBe("1");
  });
});

/** A file server on this machine that answers everything with `body`; the project's host made, and trusts, its certificate. */
async function openShop(project: LabProject, address: string, body: string): Promise<Server> {
  await project.onHost(
    `mkdir -p /usr/local/share/ca-certificates && cd /usr/local/share/ca-certificates &&
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop -addext subjectAltName=IP:${address} -keyout /root/shop.key -out shop.crt &&
update-ca-certificates`,
  );
  const shop = createServer(
    {
      key: await project.onHost("cat /root/shop.key"),
      cert: await project.onHost("cat /usr/local/share/ca-certificates/shop.crt"),
    },
    (_, answer) => answer.end(body),
  ).listen(0, "0.0.0.0");
  await until("the file server listens", async () => shop.listening);
  return shop;
}
