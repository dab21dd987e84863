import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { powerOffLabHost, powerOnLabHost } from "../../src/lab/host.ts";
import { getSite, until } from "../harness/lab-project.ts";
import { testedSystems } from "../harness/systems.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { makeReleaseProject, shopSite, succeed } from "../harness/release-project.ts";
import type { ReleaseProject } from "../harness/release-project.ts";

/** A release that turns bad once it has the traffic does not keep it. */
describe.each(testedSystems)("a release is watched, on %s", { sequential: true }, (os) => {
  let at: ReleaseProject;
  let project: LabProject;

  beforeAll(async () => {
    at = await makeReleaseProject("watch", ["watch: 9s"], "", os);
    ({ project } = at);
  });
  afterAll(() => project?.down());

  const page = async () => (await getSite(project.host.address, shopSite, "/")).body;
  const provision = () => at.provision();
  /** Shell: the newest record says that it serves, and not that it was watched. */
  const isWatching =
    "f=$(ls /var/lib/hostkit/shop/releases/page/*.jsonl | tail -n 1); grep '^{\"state\"' $f | tail -n 1 | grep -q serving && ! grep -q '\"watched\"' $f";
  const killRunner = "systemctl kill -s KILL 'hostkit-run-shop-*.service'";

  test("the first has nothing to go back to, and is not watched; the second is, while the first waits", async () => {
    await at.make("one");
    await succeed(provision());
    expect((await at.releases())[0]).not.toHaveProperty("watch");
    await at.make("two");
    const plan = await project.hostkit("plan");
    expect(plan.stdout).toContain("watched for 9 s with the traffic");
    const { result, seen } = await at.underVisitors(provision);
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(seen.failures).toEqual([]);
    expect(seen.bodies).toEqual(["one", "two"]);
    expect((await at.releases()).at(-1)).toMatchObject({ state: "serving", watched: true });
    expect(await at.containers()).toBe("shop-page-b running");
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test.for([
    {
      mode: "turns-bad",
      cause: "pool exhausted, first cause",
      bad: "is not healthy any more: status 500",
    },
    { mode: "dies-later", cause: "lost the thread, first cause", bad: "ended with exit status 7" },
    { mode: "eats", cause: "out of memory", bad: "ran out of memory" },
  ])("$mode: the traffic goes back by itself, and that is said", async (one, { skip }) => {
    // Without the controller nobody ends what eats memory; a lab host has what its machine has.
    const controllers = await project.onHost("cat /sys/fs/cgroup/cgroup.controllers");
    skip(one.mode === "dies-later" && process.env["HOSTKIT_LONG"] !== "1", "HOSTKIT_LONG=1");
    skip(
      one.mode === "eats" && !controllers.split(" ").includes("memory"),
      "no memory controller on this machine",
    );
    await at.make("worse", one.mode);
    const { result, seen } = await at.underVisitors(provision);
    expect(result.exitCode, result.stdout).toBe(1);
    expect(result.stderr).toContain(one.cause);
    expect(result.stderr).toContain(one.bad);
    expect(result.stderr).toMatch(/the traffic is back on release [0-9a-f]+/);
    expect(seen.bodies).toEqual(["two", "worse"]);
    expect(await page()).toBe("two");
    expect(await at.containers()).toBe("shop-page-b running");
    expect((await at.releases()).at(-1)).toMatchObject({
      state: "withdrawn",
      bad: expect.stringContaining(one.bad) as string,
    });
    const plan = await project.hostkit("plan");
    expect(plan.exitCode).toBe(2);
    expect(plan.stdout).toContain("the same was taken back at");
    expect((await project.hostkit("releases")).stdout).toContain("taken back");
    expect((await project.hostkit("status")).stdout).toContain("a later release was taken back");
  });

  test("what was taken back cannot be gone back to", async () => {
    const { id = "" } = (await at.releases()).at(-1) ?? {};
    const refused = await project.hostkit("rollback", "page", id, "--yes");
    expect(refused.exitCode).toBe(64);
    expect(refused.stderr).toContain("it turned bad while it was watched");
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "without its controller the host takes it back alone",
    async () => {
      await at.make("worse", "dies-later");
      const before = (await at.releases()).length;
      const running = project.start("provision", "--yes");
      await until(
        "the run has begun",
        async () =>
          (await at.releases()).length > before || (await at.releases()).at(-1)?.state === "begun",
      );
      running.kill("SIGKILL");
      await running;
      await until(
        "it is taken back",
        async () => (await at.releases()).at(-1)?.state === "withdrawn",
        120,
      );
      await until("it is gone", async () => (await at.containers()) === "shop-page-b running");
      expect(await page()).toBe("two");
    },
  );

  test("a runner that is killed in the watch: one serves, and the next provision watches and finishes", async () => {
    await at.make("three");
    const running = project.start("provision", "--yes");
    await project.onHost(`until { ${isWatching}; }; do sleep 0.1; done; sleep 1; ${killRunner}`);
    expect((await running).exitCode).not.toBe(0);
    expect(await page()).toBe("three");
    expect((await project.hostkit("releases")).stdout).toContain("serving, not watched to the end");
    expect((await project.hostkit("plan")).stdout).toContain("before it was watched to the end");
    const { result, seen } = await at.underVisitors(provision);
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(seen.failures).toEqual([]);
    expect(await at.containers()).toBe("shop-page-a running");
    expect((await at.releases()).at(-1)).toMatchObject({ state: "serving", watched: true });
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "it turns bad when nobody watches any more: the next provision takes it back",
    async () => {
      await at.make("worse", "turns-bad");
      const running = project.start("provision", "--yes");
      await project.onHost(`until { ${isWatching}; }; do sleep 0.1; done; sleep 1; ${killRunner}`);
      await running;
      await until(
        "it is bad",
        async () => (await getSite(project.host.address, shopSite, "/")).status === 500,
      );
      const result = await provision();
      expect(result.exitCode, result.stdout).toBe(1);
      expect(result.stderr).toMatch(/the traffic is back on release [0-9a-f]+/);
      expect(await page()).toBe("three");
      expect(await at.containers()).toBe("shop-page-a running");
      expect((await at.releases()).at(-1)).toMatchObject({ state: "withdrawn" });
    },
  );

  test("a power cut in the watch: one serves after the boot, and the next provision finishes", async () => {
    await at.make("four");
    const running = project.start("provision", "--yes");
    await project.onHost(`until { ${isWatching}; }; do sleep 0.1; done; sleep 1; sync`);
    await powerOffLabHost(project.host.name);
    await powerOnLabHost(project.host.name);
    await running;
    await until("it serves", async () => (await page()) === "four", 120);
    await succeed(provision());
    expect(await page()).toBe("four");
    expect(await at.containers()).toBe("shop-page-b running");
    expect((await project.hostkit("plan")).exitCode).toBe(0);
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "what has to be stopped first is started again",
    async () => {
      await project.edit([["web", "page", "stateful"], true]);
      await at.make("worse", "dies-later");
      const result = await provision();
      expect(result.exitCode, result.stdout).toBe(1);
      expect(result.stderr).toContain("lost the thread, first cause");
      expect(await page()).toBe("four");
      expect(await at.containers()).toBe("shop-page-b running");
    },
  );
});
