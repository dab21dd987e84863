import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testedSystems } from "../harness/systems.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { makeReleaseProject, succeed } from "../harness/release-project.ts";
import type { ReleaseProject } from "../harness/release-project.ts";

/** A release that is bad in whatever way takes nothing away from what serves, and its first cause is said. */
describe.each(testedSystems)("releases with hooks, on %s", { sequential: true }, (os) => {
  let at: ReleaseProject;
  let project: LabProject;

  beforeAll(async () => {
    at = await makeReleaseProject(
      "deploys",
      [
        "database: app",
        "secrets: [TOKEN]",
        "pre_deploy: [node, /server.js, hook, before]",
        "post_deploy: { command: node /server.js hook after, timeout: 30s }",
        "watch: none",
      ],
      "database: { databases: { app: {} } }\n",
      os,
    );
    ({ project } = at);
  });
  afterAll(() => project?.down());

  const psql = (sql: string) =>
    project.onHost(
      `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtqc "${sql}" app`,
    );
  /** What the hooks wrote, in order. */
  const hookRuns = async (): Promise<string[]> =>
    (await psql("select what from runs order by at")).split("\n").filter((line) => line !== "");

  test("a plan shows what runs before and after, and no secret", async () => {
    await at.make("one");
    const plan = await project.hostkit("plan");
    expect(plan.exitCode, plan.stderr).toBe(2);
    expect(plan.stdout).toContain("pre_deploy, once in the new image");
    expect(plan.stdout).toContain("node /server.js hook before");
    expect(plan.stdout).toContain("node /server.js hook after");
    expect(plan.stdout).not.toContain("sesame");
  });

  test("each runs once a release, with its secrets and its login, and not again without one", async () => {
    await succeed(at.provision());
    expect(await hookRuns()).toEqual(["before one", "after one"]);
    const logs = await project.onHost("cat /var/lib/hostkit/shop/runs/*/c/*/*.log");
    expect(logs).toMatch(/migrating to one as uid [1-9]\d* with its secret/);
    await succeed(at.provision());
    expect(await hookRuns()).toEqual(["before one", "after one"]);
    await at.make("two");
    const { result, seen } = await at.underVisitors(at.provision);
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(seen.failures).toEqual([]);
    expect(seen.bodies).toEqual(["one", "two"]);
    expect(await hookRuns()).toEqual(["before one", "after one", "before two", "after two"]);
    expect(await at.containers()).toBe("shop-page-b running");
  });

  test.each([
    { mode: "never-healthy", cause: "pool exhausted, first cause" },
    { mode: "migration-fails", cause: `column "colour" is not there, first cause` },
    ...(process.env["HOSTKIT_LONG"] === "1"
      ? [
          { mode: "ends", cause: "configuration key PAINT is missing, first cause" },
          { mode: "refused", cause: "permission denied for table pg_authid" },
        ]
      : []),
  ])("$mode: the old one serves every request, and the first cause is said", async (bad) => {
    await at.make("worse", bad.mode);
    const { result, seen } = await at.underVisitors(at.provision);
    expect(result.exitCode, result.stdout).toBe(1);
    expect(result.stderr).toContain(bad.cause);
    expect(seen.failures).toEqual([]);
    expect(seen.bodies).toEqual(["two"]);
    expect(seen.asked).toBeGreaterThan(20);
    expect(await at.containers()).toBe("shop-page-b running");
    expect((await at.releases()).at(-1)?.state).toBe("failed");
    expect((await project.hostkit("plan")).exitCode).toBe(2);
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "a hook that hangs is ended, and the next provision runs it again",
    async () => {
      await project.edit([
        ["web", "page", "pre_deploy"],
        { command: ["node", "/server.js", "hook", "before"], timeout: "4s" },
      ]);
      await at.make("hangs", "migration-hangs");
      const before = await hookRuns();
      const { result, seen } = await at.underVisitors(at.provision);
      expect(result.exitCode, result.stdout).toBe(1);
      expect(result.stderr).toContain("pre_deploy timed out: it did not end within 4 s");
      expect(seen.failures).toEqual([]);
      expect(await at.containers()).toBe("shop-page-b running");
      expect(await hookRuns()).toEqual([...before, "before hangs"]);
      expect((await at.provision()).exitCode).toBe(1);
      expect(await hookRuns()).toEqual([...before, "before hangs", "before hangs"]);
    },
  );

  test("a run that is killed in a hook: the old one serves, and the next provision runs the hook again", async () => {
    await project.edit([
      ["web", "page", "pre_deploy"],
      { command: ["node", "/server.js", "hook", "before"], timeout: "5m" },
    ]);
    await at.make("hangs-more", "migration-hangs");
    const running = project.start("provision", "--yes");
    await project.onHost(
      "until docker ps --format '{{.Names}}' | grep -q hook; do sleep 0.1; done; sleep 1; systemctl kill -s KILL 'hostkit-run-shop-*.service'",
    );
    expect((await running).exitCode).not.toBe(0);
    await at.make("three");
    const { result, seen } = await at.underVisitors(at.provision);
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(seen.failures).toEqual([]);
    expect(await at.containers()).toBe("shop-page-a running");
    expect((await hookRuns()).slice(-2)).toEqual(["before three", "after three"]);
  });

  test("post_deploy that fails: the new one has the traffic, that is said, and it is tried again", async () => {
    await project.edit([["web", "page", "post_deploy", "command"], "node /nothing.js"]);
    await at.make("four");
    const { result, seen } = await at.underVisitors(at.provision);
    expect(result.exitCode, result.stdout).toBe(1);
    expect(result.stderr).toContain("Cannot find module '/nothing.js'");
    expect(result.stderr).toMatch(/release [0-9a-f]+ has the traffic and stays/);
    expect(seen.failures).toEqual([]);
    expect(seen.bodies).toEqual(["three", "four"]);
    expect(await at.containers()).toBe("shop-page-b running");
    const again = await at.provision();
    expect(again.exitCode, again.stdout).toBe(1);
    await project.edit([["web", "page", "post_deploy", "command"], "node /server.js hook after"]);
    await succeed(at.provision());
    expect((await hookRuns()).slice(-2)).toEqual(["before four", "after four"]);
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")("going back runs no hooks", async () => {
    const before = await hookRuns();
    await succeed(project.hostkit("rollback", "page", "--yes"));
    expect(await hookRuns()).toEqual(before);
  });
});
