import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** What somebody asks for is a run like every other: it goes on without its controller, and is among the runs. */
describe("operations, on Debian 13", { sequential: true }, () => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject(
      "operations",
      "debian-13",
      `stack: depot
hosts: {}
services:
  worker: { exec: [/bin/sh, -c, while echo tick; do sleep 1; done] }
backups:
  repositories: { local: { path: /var/backups/depot } }
  files: { paths: [/srv/files], schedule: daily, keep: { daily: 3 } }
host: { updates: none }
firewall: none
`,
    );
    await project.onHost("mkdir /srv/files; head -c 200M /dev/urandom >/srv/files/much");
  });
  afterAll(() => project?.down());

  interface ListedRun {
    readonly run: string;
    readonly verb: string;
    readonly state: string;
    readonly holder: string;
  }
  const runs = async (): Promise<ListedRun[]> => {
    const { stdout } = await project.hostkit("runs", "--json");
    return (JSON.parse(stdout) as { hosts: { runs: ListedRun[] }[] }).hosts[0]?.runs ?? [];
  };

  test("the stack is there", async () => {
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect((await runs()).map(({ verb }) => verb)).toEqual(["provision"]);
  });

  for (const words of [
    ["backup", "run"],
    ["clean", "--only", "apt", "--only", "runs", "--yes"],
  ]) {
    const verb = words
      .filter((word) => !word.startsWith("-"))
      .slice(0, words[0] === "clean" ? 1 : 2);
    test(`${verb.join(" ")}: its controller is killed, attach follows it to its end`, async () => {
      const before = (await runs()).length;
      const controller = project.start(...words);
      await until("the run is there", async () => {
        const { stdout } = await project.tryOnHost("ls -d /var/lib/hostkit/depot/runs/*/pid");
        return stdout.trim().split("\n").length > before;
      });
      controller.kill("SIGKILL");
      await controller;
      const attached = await project.hostkit("attach");
      expect(attached.exitCode, attached.stdout + attached.stderr).toBe(0);
      const last = (await runs()).at(-1);
      expect(last).toMatchObject({ verb: verb.join(" "), state: "ok" });
      expect(last?.holder).toMatch(/^\S+@\S+ since /);
      expect((await project.hostkit("runs")).stdout).toContain(verb.join(" "));
    });
  }

  test("a service that does not start is told with its own last lines, and nothing is owned or disowned", async () => {
    const state = await project.onHost("cat /var/lib/hostkit/depot/state.jsonl");
    await project.onHost(
      "mkdir -p /run/systemd/system/depot-worker.service.d; printf '[Service]\\nExecStartPre=/bin/sh -c \"echo no way in; exit 3\"\\n' >/run/systemd/system/depot-worker.service.d/zz.conf; systemctl daemon-reload",
    );
    const failed = await project.hostkit("restart", "worker");
    expect(failed).toMatchObject({ exitCode: 1 });
    expect(failed.stderr).toContain("no way in");
    await project.onHost(
      "rm -r /run/systemd/system/depot-worker.service.d; systemctl daemon-reload",
    );
    expect(await project.hostkit("restart", "worker")).toMatchObject({ exitCode: 0 });
    expect(await project.onHost("cat /var/lib/hostkit/depot/state.jsonl")).toBe(state);
    expect((await runs()).slice(-2)).toMatchObject([
      { verb: "restart worker", state: "failed" },
      { verb: "restart worker", state: "ok" },
    ]);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });
});
