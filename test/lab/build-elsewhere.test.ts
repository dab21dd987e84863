import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { labSystemNames } from "../../src/lab/systems.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { succeed, writeSecrets } from "../harness/release-project.ts";

/** Must be nowhere but in the build. */
const decoy = "decoy-0c55d19e4f3b";

const manifest = `stack: made
hosts: {}
services:
  page:
    build: { context: src, on: builder, secrets: [TOKEN] }
    watch: none
    resources: { memory: 128M }
`;

const dockerfile = (run: string): string =>
  `FROM hostkit-lab/node:20
RUN --mount=type=secret,id=TOKEN,required=true test "$(wc -c </run/secrets/TOKEN)" -eq ${decoy.length} && ${run}
COPY main.js /main.js
CMD ["node", "/main.js"]
`;

const program = (says: string): string =>
  `console.log(${JSON.stringify(says)});setInterval(() => {}, 1000);\n`;

/** One host builds, which the manifest does not know, and another one runs what was built. */
describe.runIf(process.env["HOSTKIT_LONG"] === "1").each(labSystemNames)(
  "build.on a host with %s",
  { sequential: true },
  (os) => {
    let project: LabProject;
    let builder: LabHost;

    const onBuilder = async (command: string): Promise<string> => {
      const { exitCode, stdout, stderr } = await runOnLabHost(builder, command);
      expect(exitCode, `${command}\n${stdout}\n${stderr}`).toBe(0);
      return stdout.trim();
    };
    /** Nothing of a build stays on the builder but its cache, and nobody but root sees that there is one. */
    const expectClean = async () => {
      expect(
        await onBuilder(
          "ls -d /var/lib/hostkit-builds/*/work-* /run/hostkit-build.lock 2>/dev/null; docker image ls -q 'hostkit-build/*'; docker image ls -q 'hostkit/*'; systemctl list-units --all --plain --no-legend 'hostkit-*'; pgrep -fa '[d]ocker build' || true",
        ),
      ).toBe("");
      expect(await onBuilder("stat -c %a /var/lib/hostkit-builds")).toBe("700");
      await onBuilder(`! grep -rlsF ${decoy} /var/lib/hostkit-builds /run /tmp /var/log`);
    };
    const configure = (port: number, user = "root") =>
      project.write(
        ".ssh/config",
        `Host builder\n  HostName ${builder.address}\n  User ${user}\n  Port ${port}\n  IdentityFile ${builder.keyPath}\n`,
      );
    const refuse = async (told: RegExp): Promise<void> => {
      const { exitCode, stdout, stderr } = await project.hostkit("provision", "--yes");
      expect(exitCode, stdout + stderr).not.toBe(0);
      expect(stderr).toMatch(told);
      expect(stderr).toContain("no host that runs it was touched");
      expect(stdout + stderr).not.toContain(decoy);
      expect(await project.onHost("ls -d /var/lib/hostkit 2>/dev/null || true")).toBe("");
    };

    beforeAll(async () => {
      [project, builder] = await Promise.all([
        makeProject("elsewhere", "debian-13", manifest, ["docker.io", "docker-cli"]),
        upLabHost({
          name: `elsewhere-builder-${process.pid}`,
          os,
          packages:
            os === "debian-12" ? ["docker.io"] : ["docker.io", "docker-cli", "docker-buildx"],
        }),
      ]);
      await offerNodeImage(builder);
      await writeSecrets(project, `TOKEN=${decoy}\n`);
      await mkdir(path.join(project.folder, "src"));
      await mkdir(path.join(project.folder, ".ssh"), { mode: 0o700 });
      await project.write(".ssh/known_hosts", `${builder.address} ${builder.hostKey}\n`);
      await project.write("src/Dockerfile", dockerfile("echo 1 >/made"));
      await project.write("src/main.js", program("page 1"));
    });
    afterAll(async () => {
      await project?.down();
      if (builder !== undefined) await downLabHost(builder.name);
    });

    test("a plan asks no builder, and says which one it will be", async () => {
      await configure(1);
      const { stdout } = await project.hostkit("plan");
      expect(stdout).toMatch(/builds +page on builder; the layers that the host lacks are sent/);
    });

    test("what keeps it from building is told of it, and the host that runs it is not touched", async () => {
      await refuse(/builder, which builds page/);
      await configure(22);
      await onBuilder("systemctl stop docker.socket docker.service");
      await refuse(/no Docker answers on the host that is to build page/);
      await onBuilder("systemctl start docker.service");
      await onBuilder(
        "cp /var/lib/dpkg/arch-native /root/arch || true; echo arm64 >/var/lib/dpkg/arch-native",
      );
      await refuse(/that host is linux\/arm64, and does not run programs of the other/);
      await onBuilder("mv /root/arch /var/lib/dpkg/arch-native || rm /var/lib/dpkg/arch-native");
      await project.write("src/Dockerfile", dockerfile("echo the cause of it >&2 && false"));
      await refuse(/the cause of it[\s\S]*src\/Dockerfile:2 failed/);
      await expectClean();
    });

    test("what was left alone, or was killed, ends and goes", async () => {
      await project.write("src/Dockerfile", dockerfile("sleep 300"));
      const left = project.start("provision", "--yes");
      const packed = Buffer.from(decoy).toString("base64");
      await until(
        "it builds",
        async () => (await onBuilder("pgrep -fx 'sleep 300' || true")) !== "",
      );
      // Not even while it goes on, neither plain nor packed; a pattern so that grep does not find itself.
      await onBuilder(
        `! grep -lsa -e '[${decoy[0]}]${decoy.slice(1)}' -e '[${packed[0]}]${packed.slice(1)}' -r /var/lib/hostkit-builds /proc/[0-9]*/cmdline /proc/[0-9]*/environ`,
      );
      left.kill("SIGKILL");
      await left;
      await until("the build has ended", async () => {
        const rest =
          "ls -d /var/lib/hostkit-builds/*/work-* 2>/dev/null; pgrep -fx 'sleep 300' || true";
        return (await onBuilder(rest)) === "";
      });
      await expectClean();
      const killed = project.hostkit("provision", "--yes");
      await until(
        "it builds",
        async () => (await onBuilder("pgrep -fx 'sleep 300' || true")) !== "",
      );
      await onBuilder("systemctl kill --signal=KILL 'hostkit-build-made-*.service'");
      expect((await killed).exitCode).toBe(1);
      expect(await onBuilder("ls /var/lib/hostkit-builds/made")).toContain("work-");
    });

    test("it is built there and runs here", async () => {
      await project.write("src/Dockerfile", dockerfile("echo 1 >/made"));
      // What was killed here has a day.
      const builds = path.join(project.folder, ".cache/hostkit/builds");
      const left = await readdir(builds);
      const { stdout, stderr } = await succeed(project.hostkit("provision", "--yes"));
      expect(stdout + stderr).toContain("page: is built on builder");
      expect(stdout + stderr).not.toContain(decoy);
      expect(await project.onHost("journalctl -o cat -u 'made-page*' --no-pager")).toContain(
        "page 1",
      );
      await project.onHost(
        `! docker history --no-trunc $(docker image ls -q 'hostkit/*') | grep -F ${decoy}`,
      );
      await expectClean();
      expect(await onBuilder("cat /var/lib/hostkit-builds/made/build-cache")).toMatch(/^\w{25}$/m);
      expect(await readdir(builds)).toEqual(left);
    });

    test("where nothing is to change no builder is asked; then only what changed is sent", async () => {
      await configure(1);
      const { stdout } = await succeed(project.hostkit("provision", "--yes"));
      expect(stdout).toContain("nothing to change");
      // Who is not root there becomes it by sudo.
      await configure(22, "ops");
      await project.write("src/main.js", program("page 2"));
      const again = await succeed(project.hostkit("provision", "--yes"));
      expect(again.stdout).toMatch(/page: 2 of 3 layers were there, [\d.]+ KiB sent/);
      expect(await project.onHost("journalctl -o cat -u 'made-page*' --no-pager")).toContain(
        "page 2",
      );
      await expectClean();
    });
  },
);
