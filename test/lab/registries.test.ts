import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LabOs } from "../../src/lab/systems.ts";
import { getSite, makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";
import {
  registryName,
  registryPassword,
  registryUser,
  startRegistry,
} from "../harness/lab-registry.ts";
import type { LabRegistry } from "../harness/lab-registry.ts";
import { succeed, writeSecrets } from "../harness/release-project.ts";

const site = "shop.lab.example";
const digest = (text: string) => /sha256:[0-9a-f]{64}/.exec(text)?.[0];

const systems: readonly LabOs[] =
  process.env["HOSTKIT_LONG"] === "1" ? ["debian-13", "debian-12"] : ["debian-13"];

/** Images of a registry that wants a login, has a certificate of its own authority, and is known to the host alone. */
describe.each(systems)("a private registry, on %s", { sequential: true }, (os) => {
  let project: LabProject;
  let registry: LabRegistry;
  let first: string;

  beforeAll(async () => {
    project = await makeProject(
      "registries",
      os,
      `stack: shop
hosts: {}
registries:
  ${registryName}: { user: ${registryUser}, password: REGISTRY_PASSWORD, ca: registry-ca.pem }
web:
  page:
    image: ${registryName}/team/page:1
    port: 8000
    health: { path: /, interval: 2s, timeout: 2s, grace: 10s }
    resources: { memory: 64M }
    watch: none
proxy:
  sites: { ${site}: { tls: internal, routes: page } }
host: { updates: none }
firewall: none
`,
    );
    registry = await startRegistry(project);
    await project.write("registry-ca.pem", registry.ca);
    await giveSecret(registryPassword);
    first = await registry.push("team/page:1", "one");
  });
  afterAll(() => project?.down());

  const giveSecret = (value: string) =>
    writeSecrets(project, `REGISTRY_PASSWORD="${value.replaceAll("$", "\\$")}"\n`);
  const page = async () => (await getSite(project.host.address, site, "/")).body;
  const useImage = (image: string) => project.edit([["web", "page", "image"], image]);
  const provision = () => project.hostkit("provision", "--yes");

  test("without a lock: what the image is nobody knows, and how to pin it is said", async () => {
    const plan = await project.hostkit("plan");
    expect(plan.exitCode).toBe(1);
    expect(plan.stderr).toContain(`${registryName}/team/page:1 is not pinned`);
    expect(plan.stderr).toContain("`hostkit update page`");
  });

  test("update asks by way of a bare host, and the plan shows the tag with its digest", async () => {
    const update = await succeed(project.hostkit("update"));
    expect(update.stdout).toContain(`not pinned → ${first.slice(0, 19)}`);
    const lock = await project.read("hostkit.lock");
    expect(digest(lock)).toBe(first);
    expect(lock).toContain("- linux/amd64\n      - linux/arm64\n");
    expect((await project.hostkit("update", "--check")).exitCode).toBe(0);
    await succeed(project.hostkit("update"));
    expect(await project.read("hostkit.lock")).toBe(lock);
    const plan = await project.hostkit("plan");
    expect(plan.exitCode, plan.stderr).toBe(2);
    expect(plan.stdout).toContain(`team/page:1@${first.slice(0, 19)}`);
  });

  test("provision pulls it, and the password is in no argument, journal, log or file that others read", async () => {
    // Somebody's own login stays as it is.
    await project.onHost(
      "mkdir -p /root/.docker; echo '{\"auths\":{}}' >/root/.docker/config.json",
    );
    const watch = `while [ ! -e /root/enough ]; do
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -a -e nobod[y] -e cHVsbGVyOnRlb[G] >>/root/seen
  sleep 0.05
done`;
    await project.onHost(`nohup sh -c '${watch}' >/dev/null 2>&1 & echo $! >/root/watcher`);
    const done = await succeed(provision());
    // That an argument would be seen is seen.
    await project.onHost(
      "sh -c 'sleep 2; exit 0' x nobody-but-me; touch /root/enough; while kill -0 $(cat /root/watcher) 2>/dev/null; do sleep 0.1; done; grep -q nobody-but-me /root/seen",
    );
    expect(done.stdout + done.stderr).not.toContain("tell-nobody");
    expect(await page()).toBe("one");
    expect((await project.hostkit("plan")).exitCode).toBe(0);
    expect(
      await project.onHost("cd /etc/hostkit/shop/registries; stat -c '%a %U %n' . config.json"),
    ).toBe("700 root .\n600 root config.json");
    expect(await project.onHost("cat /root/.docker/config.json; ls /root/.docker")).toBe(
      '{"auths":{}}\nconfig.json',
    );
    const places = [
      "grep -v nobody-but-me /root/seen",
      "journalctl --no-pager",
      "systemctl show '*'",
      "find / -xdev -type f -perm /o=r -size -1M -not -path '/proc/*' -not -path '/sys/*' -print0 | xargs -0 grep -l -e tell-nobody -e cHVsbGVyOnRlbG",
      "find /var/lib/hostkit /etc/hostkit -type f -print0 | xargs -0 grep -l -e tell-nobody -e cHVsbGVyOnRlbG | grep -v ^/etc/hostkit/shop/registries/config.json$",
    ];
    for (const place of places) {
      const { stdout } = await project.tryOnHost(`{ ${place}; } 2>/dev/null | tr '\\0' ' '`);
      expect(stdout, place).not.toMatch(/tell-nobody|cHVsbGVyOnRlbG/);
      if (/grep -[lv]/.test(place)) expect(stdout.trim(), place).toBe("");
    }
    const shown = await project.hostkit("plan", "--json");
    expect(shown.stdout).not.toMatch(/tell-nobody|cHVsbGVyOnRlbG/);
  });

  test("a tag that moved changes nothing until update says so", async () => {
    const second = await registry.push("team/page:1", "two");
    const check = await project.hostkit("update", "--check");
    expect(check.exitCode, check.stderr).toBe(2);
    expect(check.stdout).toContain(`${first.slice(0, 19)}… → ${second.slice(0, 19)}…`);
    expect((await project.hostkit("plan")).exitCode).toBe(0);
    await succeed(project.hostkit("update", "page"));
    expect(digest(await project.read("hostkit.lock"))).toBe(second);
    expect((await project.hostkit("plan")).exitCode).toBe(2);
    await succeed(provision());
    expect(await page()).toBe("two");
  });

  test("what is wrong is told at once: a tag and a repository that are not there", async () => {
    const lock = await project.read("hostkit.lock");
    await project.edit([
      ["services"],
      {
        mistyped: { image: `${registryName}/team/page:l` },
        missing: { image: `${registryName}/team/pages:1` },
      },
    ]);
    const update = await project.hostkit("update");
    expect(update.exitCode, update.stderr).toBe(65);
    expect(update.stderr).toContain("/team/page has no tag l; did you mean 1?");
    expect(update.stderr).toContain("has no repository team/pages [image_missing]");
    expect(await project.read("hostkit.lock")).toBe(lock);
    await project.edit([["services"], {}]);
  });

  test("an image for another processor is refused before anything is pulled", async () => {
    await registry.push("team/page:arm", "arm", ["arm64", "s390x"]);
    await useImage(`${registryName}/team/page:arm`);
    const update = await succeed(project.hostkit("update"));
    expect(update.stdout).toContain("no service names");
    const result = await provision();
    expect(result.exitCode, result.stderr).toBe(71);
    expect(result.stderr).toContain("which is linux/amd64");
    expect(result.stderr).toContain("linux/arm64, linux/s390x");
    expect(await page()).toBe("two");
  });

  test("one that is pinned by hand is found out when it is pulled, and does not stay", async () => {
    const pinned = await registry.push("team/page:arm-only", "arm only", ["arm64"]);
    await useImage(`${registryName}/team/page@${pinned}`);
    const result = await provision();
    expect(result.exitCode, result.stderr).toBe(1);
    expect(result.stderr).toContain("cannot run on this host, which is linux/amd64");
    expect(await project.onHost("docker image ls -q --no-trunc --digests | wc -l")).toBe("2");
    expect(await page()).toBe("two");
  });

  test("a wrong password: update says so, and a pull that fails leaves the old release serving", async () => {
    await registry.push("team/page:2", "three");
    await useImage(`${registryName}/team/page:2`);
    await succeed(project.hostkit("update"));
    await giveSecret("wrong");
    const update = await project.hostkit("update");
    expect(update.exitCode, update.stderr).toBe(77);
    expect(update.stderr).toContain(`does not take the user ${registryUser} with this password`);
    const result = await provision();
    expect(result.exitCode, result.stderr).toBe(1);
    expect(result.stderr).toContain("does not take the user or the password");
    expect(await page()).toBe("two");
    await giveSecret(registryPassword);
  });

  test("a registry that is away", async () => {
    await registry.stop();
    const update = await project.hostkit("update");
    expect(update.exitCode, update.stderr).toBe(69);
    expect(update.stderr).toContain(`${registryName} refuses the connection`);
    const result = await provision();
    expect(result.exitCode, result.stderr).toBe(1);
    expect(result.stderr).toContain("does not answer this host");
    expect(await page()).toBe("two");
    await registry.start();
    await succeed(provision());
    expect(await page()).toBe("three");
  });

  test("deploy looks a tag up now, and what it deployed stays until somebody gives the word", async () => {
    const live = await registry.push("team/page:live", "deployed");
    const image = `${registryName}/team/page:live`;
    const done = await succeed(project.hostkit("deploy", "page", "--image", image, "--yes"));
    expect(done.stdout).toContain(live.slice(7, 19));
    expect(await page()).toBe("deployed");
    const refused = await provision();
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain(`deployed page with --image ${image}`);
    await succeed(project.hostkit("rollback", "page", "--forget"));
    await succeed(provision());
    expect(await page()).toBe("three");
  });

  test("a name that only the host knows is not known here; a certificate that nobody signed is refused", async () => {
    const here = await project.hostkit("update", "--here");
    expect(here.exitCode, here.stderr).toBe(69);
    expect(here.stderr).toContain("has a name that cannot be resolved");
    await project.edit([
      ["registries", registryName],
      { user: registryUser, password: "REGISTRY_PASSWORD" },
    ]);
    const update = await project.hostkit("update");
    expect(update.exitCode, update.stderr).toBe(69);
    expect(update.stderr).toContain("a certificate that nobody known has signed");
    expect(update.stderr).toContain("ca: FILE.pem");
  });

  test("what was made for the registry goes with it", async () => {
    const image = /^ {2}(\S+:2):$/m.exec(await project.read("hostkit.lock"))?.[1] ?? "";
    const pinned = `${image.slice(0, -2)}@${digest(await project.read("hostkit.lock"))}`;
    await useImage(pinned);
    await project.edit([["registries"], undefined]);
    await succeed(project.hostkit("update"));
    await succeed(provision());
    expect(await page()).toBe("three");
    await project.onHost(
      "! ls /etc/hostkit/shop/registries /etc/docker/certs.d/* 2>/dev/null | grep .",
    );
  });
});
