import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labSystemNames } from "../../src/lab/systems.ts";
import { makeLayer, readNodeLayer, saveImage } from "../harness/image-archive.ts";
import { getSite, makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { shopSite, succeed } from "../harness/release-project.ts";

const program = `process.on("SIGTERM", () => process.exit());
require("node:http").createServer((_, answer) => answer.end(require("node:fs").readFileSync("/version"))).listen(8000)`;

/** Cuts the SSH connection of whoever wrote so many bytes of a layer, once. */
const cuttingDd = `#!/bin/sh
if [ ! -e /root/cut ]; then exec /usr/bin/dd "$@"; fi
rm /root/cut
head -c 40000000 | /usr/bin/dd "$@"
p=$$
while [ "$p" -gt 1 ]; do
  case $(cat /proc/$p/comm) in sshd*) kill -9 "$p"; exit ;; esac
  p=$(sed -n 's/^PPid:\\t//p' /proc/$p/status)
done
`;

/** Takes an image away between the look and the load, once. */
const forgetfulDocker = `#!/bin/sh
if [ "$1" = load ] && [ -e /root/forget ]; then
  /usr/bin/docker image rm -f $(cat /root/forget) >&2
  rm /root/forget
fi
exec /usr/bin/docker "$@"
`;

const systems = process.env["HOSTKIT_LONG"] === "1" ? labSystemNames : (["debian-13"] as const);

/** Of an image, those layers travel that the host lacks. */
describe.each(systems)("layers, on %s", { sequential: true }, (os) => {
  let project: LabProject;
  let base: Buffer;

  const save = async (version: string): Promise<void> =>
    saveImage(path.join(project.folder, "page.tar"), [
      base,
      await makeLayer({ "server.js": program }),
      await makeLayer({ version }),
    ]);
  const answer = async () => (await getSite(project.host.address, shopSite, "/")).body;
  const wrap = async (name: string, text: string) => {
    await project.write(name, text);
    const packed = Buffer.from(text).toString("base64");
    await project.onHost(
      `mkdir -p /usr/local/sbin; echo ${packed} | base64 -d >/usr/local/sbin/${name}; chmod 755 /usr/local/sbin/${name}`,
    );
  };
  /** Nothing of a load stays on the host, but the image. */
  const expectClean = async () =>
    expect(
      await project.onHost(
        "ls -d /var/lib/hostkit/shop/layers /var/lib/docker/tmp/docker-* || true",
      ),
    ).toBe("");

  beforeAll(async () => {
    project = await makeProject(
      "layers",
      os,
      `stack: shop
hosts: {}
web:
  page:
    archive: page.tar
    port: 8000
    health: { path: /, interval: 2s, timeout: 2s, grace: 20s }
    resources: { memory: 128M }
    watch: none
proxy:
  sites: { ${shopSite}: { tls: internal, routes: { "/*": page } } }
host: { updates: none }
firewall: none
`,
    );
    base = await readNodeLayer();
    await wrap("dd", cuttingDd);
  });
  afterAll(() => project?.down());

  test("the first time all of them, over a link that breaks", async () => {
    await save("one");
    await project.onHost("touch /root/cut");
    const { stdout } = await succeed(project.hostkit("provision", "--yes"));
    expect(stdout).toContain("page: the connection was lost while layers were sent; they go on");
    const [, sent = ""] = /page: ([\d.]+) MiB sent/.exec(stdout) ?? [];
    // What was on the host before the link broke did not go twice.
    expect(Number(sent) * 2 ** 20).toBeLessThan(base.length + 20e6);
    expect(await answer()).toBe("one");
    await expectClean();
  });

  test("then those that changed", async () => {
    await save("two");
    expect((await project.hostkit("plan")).stdout).toMatch(/\d(?:\.\d+)? KiB are sent from here/);
    const { stdout } = await succeed(project.hostkit("provision", "--yes"));
    expect(stdout).toMatch(/page: 2 of 3 layers were there, [\d.]+ KiB sent/);
    expect(await answer()).toBe("two");
    await expectClean();
    const again = await succeed(project.hostkit("provision", "--yes"));
    expect(again.stdout).toContain("nothing to change");
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "what goes away before it is used is sent after all",
    async () => {
      await wrap("docker", forgetfulDocker);
      // Its base is an image that nobody uses.
      const layers = [await makeLayer({ x: "x" }), await makeLayer({ y: "y" })];
      const other = path.join(project.folder, "other.tar");
      await saveImage(other, layers);
      const packed = (await readFile(other)).toString("base64");
      await project.onHost(`echo ${packed} | base64 -d | docker load`);
      await saveImage(path.join(project.folder, "page.tar"), [
        ...layers,
        base,
        await makeLayer({ "server.js": program, version: "three" }),
      ]);
      await project.onHost("echo page:1 >/root/forget");
      const { stdout } = await succeed(project.hostkit("provision", "--yes"));
      expect(stdout).toContain("2 of 4 layers were there");
      expect(stdout).toContain("layers that the host had are gone");
      expect(await answer()).toBe("three");
      await expectClean();
    },
  );
});
