import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** The command line against a real host, with a stack that is quickly there. */
describe("the command line", () => {
  let project: LabProject;
  const events = (stdout: string) =>
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  beforeAll(async () => {
    project = await makeProject(
      "cli-verbs",
      "debian-13",
      "stack: tiny\nhosts: {}\nservices: { worker: { exec: /bin/sleep infinity } }\nhost: { updates: none }\nfirewall: none\n",
    );
  });
  afterAll(() => project.down());

  test("status and doctor know a host that was never provisioned", async () => {
    const status = await project.hostkit("status");
    expect(status).toMatchObject({ exitCode: 1 });
    expect(status.stdout).toContain("not provisioned yet");
    expect(await project.hostkit("doctor")).toMatchObject({ exitCode: 0 });
    expect(await project.hostkit("attach")).toMatchObject({ exitCode: 64 });
  });

  test("without a terminal provision demands --yes, and changes nothing", async () => {
    const result = await project.hostkit("provision");
    expect(result).toMatchObject({ exitCode: 64 });
    expect(result.stderr).toContain("--yes");
    await project.onHost("[ ! -e /var/lib/hostkit ]");
  });

  test("a kept plan is done only while it is still the plan", async () => {
    expect(await project.hostkit("plan", "--out", "kept.json")).toMatchObject({ exitCode: 2 });
    const kept = JSON.parse(await project.read("kept.json")) as { hosts: { changes: unknown[] }[] };
    expect(kept.hosts[0]?.changes.length).toBeGreaterThan(0);
    await project.edit([["host", "timezone"], "Europe/Berlin"]);
    const stale = await project.hostkit("provision", "--yes", "--plan", "kept.json");
    expect(stale).toMatchObject({ exitCode: 1 });
    expect(stale.stderr).toContain("[plan_stale]");
    expect(stale.stderr).toContain("timezone");
    await project.onHost("[ ! -e /var/lib/hostkit ]");
  });

  test("Ctrl-C leaves the run going on; attach follows it to its end", async () => {
    await project.hostkit("plan", "--out", "kept.json");
    const running = project.start("provision", "--yes", "--plan", "kept.json");
    await until(
      "the run has begun",
      async () =>
        (await project.tryOnHost("ls /var/lib/hostkit/tiny/runs/*/events")).exitCode === 0,
    );
    running.kill("SIGINT");
    const left = await running;
    expect(left.exitCode, String(left.stderr)).toBe(130);
    expect(left.stderr).toContain("hostkit attach");
    const attached = await project.hostkit("attach");
    expect(attached.exitCode, attached.stderr).toBe(0);
    expect(attached.stdout).toContain("end      ok");
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test("with --json every line is an object, from the plan to the result", async () => {
    await project.edit([["host", "timezone"], "UTC"]);
    const { exitCode, stdout } = await project.hostkit("provision", "--yes", "--json");
    expect(exitCode, stdout).toBe(0);
    const lines = events(stdout);
    expect(lines[0]).toMatchObject({ event: "plan", version: 1, stack: "tiny" });
    expect(lines.at(-2)).toMatchObject({ event: "end", state: "ok", host: "dx1" });
    expect(lines.at(-1)).toMatchObject({
      event: "result",
      changed: true,
      hosts: [{ host: "dx1", provisioned: true }],
    });
    const again = events((await project.hostkit("provision", "--yes", "--json")).stdout);
    expect(again.map(({ event }) => event)).toEqual(["plan", "result"]);
    expect(again[1]).toMatchObject({ changed: false });
  });

  test("runs are remembered, and logged here", async () => {
    const { stdout } = await project.hostkit("runs", "--json");
    const { hosts } = JSON.parse(stdout) as {
      hosts: { runs: { state: string; holder: string }[] }[];
    };
    expect(hosts[0]?.runs.map(({ state }) => state)).toEqual(["ok", "ok"]);
    expect(hosts[0]?.runs[0]?.holder).toMatch(/^\S+@\S+ since /);
    expect(await project.hostkit("status", "--log", "status.log")).toMatchObject({ exitCode: 0 });
    expect(await readFile(path.join(project.folder, "status.log"), "utf8")).toContain(
      '"msg":"hostkit status"',
    );
  });

  test("a service is stopped, started and restarted, and status says so", async () => {
    expect(await project.hostkit("stop", "worker")).toMatchObject({ exitCode: 0 });
    const stopped = await project.hostkit("status");
    expect(stopped).toMatchObject({ exitCode: 1 });
    expect(stopped.stdout).toMatch(/✗ {2}tiny-worker\.service +inactive/);
    expect(await project.hostkit("start", "worker")).toMatchObject({ exitCode: 0 });
    expect(await project.hostkit("status")).toMatchObject({ exitCode: 0 });
    const before = await project.onHost("systemctl show -p MainPID --value tiny-worker.service");
    expect(await project.hostkit("restart")).toMatchObject({ exitCode: 0 });
    expect(await project.onHost("systemctl show -p MainPID --value tiny-worker.service")).not.toBe(
      before,
    );
    const folder = "/run/systemd/system/tiny-worker.service.d";
    await project.onHost(
      `mkdir -p ${folder}; printf '[Service]\\nExecStartPre=/bin/false\\n' >${folder}/broken.conf; systemctl daemon-reload`,
    );
    const failed = await project.hostkit("restart", "worker");
    expect(failed).toMatchObject({ exitCode: 1 });
    expect(failed.stderr).toContain("tiny-worker.service did not restart");
    await project.onHost(`rm -r ${folder}; systemctl daemon-reload`);
    expect(await project.hostkit("start", "nobody")).toMatchObject({ exitCode: 64 });
  });

  test("logs shows the journal of a service, and follows it until Ctrl-C", async () => {
    expect(await project.hostkit("start", "worker")).toMatchObject({ exitCode: 0 });
    expect((await project.hostkit("logs", "worker", "-n", "5")).stdout).toContain(
      "tiny-worker.service",
    );
    const following = project.start("logs", "worker", "-f");
    let seen = "";
    following.stdout?.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await until("the journal is followed", () => Promise.resolve(seen !== ""));
    await project.onHost(
      "systemd-cat -t told sh -c 'echo unrelated'; systemctl restart tiny-worker.service",
    );
    await until("the restart is seen", () => Promise.resolve(seen.includes("Stopp")));
    following.kill("SIGINT");
    expect((await following).exitCode).toBe(130);
    expect(seen).not.toContain("unrelated");
  });

  test("uninstall asks too, and leaves nothing", async () => {
    expect(await project.hostkit("uninstall")).toMatchObject({ exitCode: 64 });
    const gone = await project.hostkit("uninstall", "--yes");
    expect(gone.exitCode, gone.stderr).toBe(0);
    expect(gone.stdout).toContain("nothing of hostkit is left");
    await project.onHost("[ ! -e /var/lib/hostkit ]");
  });
});
