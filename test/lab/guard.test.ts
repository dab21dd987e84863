import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quoteWord } from "../../src/shell/quote.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { makeProject } from "../harness/lab-project.ts";

/** A manifest with hardly anything in it: what the host section and the firewall do by themselves. */
const manifest = `stack: guard
hosts: {}
firewall: { allow: [ssh, http] }
host: { updates: none, hostname: guarded.example.org, timezone: Europe/Berlin }
`;
let project: LabProject;

beforeAll(async () => {
  project = await makeProject("guard-12", "debian-12", manifest);
});
afterAll(async () => {
  await project.down();
});

const table = "nft list table inet hostkit";

describe("the firewall and sshd", { sequential: true }, () => {
  test("are provisioned without any service, and then there is nothing left to do", async () => {
    const first = await project.hostkit("provision", "--yes");
    expect(first.exitCode, first.stderr + first.stdout).toBe(0);
    expect(
      await project.onHost("hostname; date +%Z; sshd -T | grep ^passwordauthentication"),
    ).toMatch(/^guarded\.example\.org\nCES?T\npasswordauthentication no$/);
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test("a rule added by hand, a flushed table and an edited drop-in are drift, and mended", async () => {
    await project.onHost("nft add rule inet hostkit input tcp dport 4444 accept");
    expect((await project.hostkit("plan")).stdout).toContain("live rules were changed by hand");
    await project.onHost("nft delete table inet hostkit");
    await project.onHost("echo PasswordAuthentication yes >/etc/ssh/sshd_config.d/00-mine.conf");
    const plan = await project.hostkit("plan");
    expect(plan.exitCode).toBe(2);
    expect(plan.stdout).toContain("table is not loaded");
    expect(plan.stdout).toContain("not in effect: passwordauthentication");
    const stuck = await project.hostkit("provision", "--yes");
    expect(
      stuck.exitCode,
      "a foreign file that is read first cannot be overruled, only named",
    ).toBe(1);
    expect(stuck.stderr + stuck.stdout).toContain("00-mine.conf");
    await project.onHost("rm /etc/ssh/sshd_config.d/00-mine.conf");
    expect((await project.hostkit("provision", "--yes")).exitCode).toBe(0);
    expect(await project.onHost(table)).toContain("policy drop");
  });

  test("rules that shut port 22 are undone by the host, and provision says so", async () => {
    const before = await project.onHost(
      `${table}; cat /etc/hostkit/firewall.nft /etc/hostkit/guard/open.nft`,
    );
    await project.edit([["firewall"], { allow: ["http"], ssh: false }]);
    const shut = await project.hostkit("provision", "--yes");
    expect(shut.exitCode, shut.stderr + shut.stdout).toBe(79);
    expect(shut.stderr + shut.stdout).toContain("the host put back");
    expect(
      await project.onHost(`${table}; cat /etc/hostkit/firewall.nft /etc/hostkit/guard/open.nft`),
    ).toBe(before);
    await project.edit([["firewall"], { allow: ["ssh", "http"] }]);
    expect((await project.hostkit("provision", "--yes")).exitCode).toBe(0);
  });

  test("a guard whose removal or making was cut short does not stand in the way", async () => {
    const about = `ID=x RUN=x OWNER=/var/lib/hostkit/guard CHANGE='"nftables:hostkit"' SECONDS_TO_CONFIRM=60`;
    await project.onHost(`cd /var/lib/hostkit && mkdir -p guards && cd guards && mkdir 1 2 3 4
echo old >1/armed; : >2/about; : >2/guard.sh; : >3/lock; echo ${quoteWord(about)} >4/about`);
    await project.edit([["host", "timezone"], "Europe/Paris"]);
    const next = await project.hostkit("provision", "--yes");
    expect(next.exitCode, next.stderr + next.stdout).toBe(0);
    expect(await project.onHost("ls /var/lib/hostkit")).not.toContain("guards");
  });

  test("ufw beside it is an error that says what to do", async () => {
    await project.onHost("mkdir -p /etc/ufw && echo ENABLED=yes >/etc/ufw/ufw.conf");
    await project.edit([["firewall"], { allow: ["ssh", "https"] }]);
    const planned = await project.hostkit("plan");
    expect(planned.exitCode).toBe(2);
    expect(planned.stdout).toContain("provision would refuse: ufw is switched on");
    const examined = await project.hostkit("doctor");
    expect(examined.exitCode).toBe(1);
    expect(examined.stdout).toContain("ufw is switched on");
    const refused = await project.hostkit("provision", "--yes");
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr + refused.stdout).toContain("ufw is switched on");
    expect(await project.onHost(table)).toContain("dport 80");
    await project.onHost("rm -r /etc/ufw");
  });

  test("firewall: none takes the table away again", async () => {
    await project.edit([["firewall"], "none"]);
    expect((await project.hostkit("provision", "--yes")).exitCode).toBe(0);
    expect((await project.tryOnHost(table)).exitCode).not.toBe(0);
    const left =
      "ls /etc/hostkit/guard/firewall.nft /etc/systemd/system/hostkit-firewall-guard.service";
    expect((await project.tryOnHost(left)).stdout).toBe("");
  });

  test("uninstall gives the host its name, zone and sshd back", async () => {
    const gone = await project.hostkit("uninstall", "--yes");
    expect(gone.exitCode, gone.stderr + gone.stdout).toBe(0);
    const seen = await project.onHost(
      "hostname; date +%Z; sshd -T | grep ^passwordauthentication; cat /etc/hosts /etc/login.defs",
    );
    expect(seen.split("\n").slice(0, 3)).toEqual([
      project.host.name,
      "UTC",
      "passwordauthentication yes",
    ]);
    expect(seen).not.toContain("hostkit");
  });
});
