import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { powerOffLabHost, powerOnLabHost } from "../../src/lab/host.ts";
import { testedSystems } from "../harness/systems.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { until } from "../harness/lab-project.ts";
import { makeReleaseProject, shopSite, succeed } from "../harness/release-project.ts";
import type { ReleaseProject } from "../harness/release-project.ts";
import { watchSite } from "../harness/visitors.ts";

const isLong = process.env["HOSTKIT_LONG"] === "1";

/** Replicas of a service that owns data: a release exchanges one at a time, and the others have the traffic. */
describe.each(testedSystems)(
  "three replicas of a stateful service, on %s",
  { sequential: true },
  (os) => {
    let at: ReleaseProject;
    let project: LabProject;

    beforeAll(async () => {
      at = await makeReleaseProject(
        "replicas",
        [
          "secrets: [TOKEN]",
          "stateful: true",
          "replicas: 3",
          "volumes: [things:/things]",
          "drain: 5s",
          "watch: 2s",
        ],
        "",
        os,
      );
      ({ project } = at);
    });
    afterAll(() => project?.down());

    const replicasOf = (slot: "a" | "b") =>
      ["", "2", "3"].map((number) => `shop-page-${slot}${number} running`).join("\n");
    const marks = () => project.onHost("ls /run/hostkit-exchange/shop 2>/dev/null || true");

    /**
     * What systemd did with the replicas since a moment, in order: `- a2` where one was stopped, `+ b2` where one became well.
     */
    async function listMoves(since: string): Promise<string[]> {
      const lines = await project.onHost(
        `journalctl _PID=1 -o cat --since @${since} | sed -nE 's/^(Started|Stopped) (shop-page-[ab][23]?)\\.service.*/\\1 \\2/p'`,
      );
      return lines
        .split("\n")
        .filter((line) => line !== "")
        .map((line) =>
          line.replace(/^Started shop-page-/, "+ ").replace(/^Stopped shop-page-/, "- "),
        );
    }
    const now = () => project.onHost("date +%s.%N");

    test("all of them answer, and the plan says how a release exchanges them", async () => {
      await at.make("one");
      await succeed(at.provision());
      expect(await at.containers()).toBe(replicasOf("a"));
      await at.make("two");
      const plan = await project.hostkit("plan", "--details");
      expect(plan.stdout).toContain("its 3 replicas are exchanged one at a time");
      expect(plan.stdout).not.toMatch(/is away/);
    });

    test("one that stops is not missed", async () => {
      const visitors = watchSite(project.host.address, shopSite);
      await project.onHost("docker kill shop-page-a2 >/dev/null; sleep 1");
      await until(
        "it is back",
        async () => (await project.onHost("systemctl is-active shop-page-a2 || true")) === "active",
      );
      const seen = await visitors.stop();
      expect(seen.failures).toEqual([]);
      expect(seen.bodies).toEqual(["one"]);
    });

    test("a release exchanges one after the other, and no request is lost", async () => {
      const since = await now();
      const { result, seen } = await at.underVisitors(at.provision);
      expect(result.exitCode, result.stdout + result.stderr).toBe(0);
      expect(seen.failures).toEqual([]);
      expect(seen.bodies).toEqual(["one", "two"]);
      expect(await listMoves(since)).toEqual(["- a", "+ b", "- a2", "+ b2", "- a3", "+ b3"]);
      expect(await at.containers()).toBe(replicasOf("b"));
      expect(await marks()).toBe("");
      expect((await project.hostkit("plan")).exitCode).toBe(0);
    });

    test.each(["never-healthy", ...(isLong ? ["turns-bad"] : [])])(
      "%s: the former replicas come back one after the other",
      async (mode) => {
        await at.make("worse", mode);
        const { result, seen } = await at.underVisitors(at.provision);
        expect(result.exitCode, result.stdout).toBe(1);
        expect(result.stderr).toContain("pool exhausted, first cause");
        if (mode === "never-healthy") {
          expect(seen.failures).toEqual([]);
          expect(seen.bodies).toEqual(["two"]);
        }
        expect(await at.containers()).toBe(replicasOf("b"));
        expect(await marks()).toBe("");
      },
    );

    test("a rollback does it in the same way", async () => {
      const since = await now();
      const { result, seen } = await at.underVisitors(() =>
        project.hostkit("rollback", "page", "--yes"),
      );
      expect(result.exitCode, result.stdout + result.stderr).toBe(0);
      expect(seen.failures).toEqual([]);
      expect(seen.bodies).toEqual(["two", "one"]);
      expect(await listMoves(since)).toEqual(["- b3", "+ a3", "- b2", "+ a2", "- b", "+ a"]);
      expect(await at.containers()).toBe(replicasOf("a"));
    });

    /** Begins a release and waits until its second replica is exchanged, then does something to it. */
    async function breakIn(version: string, work: () => Promise<unknown>): Promise<void> {
      await at.make(version);
      const run = at.provision();
      await until("the second replica is exchanged", async () => (await marks()) === "page.2");
      await work();
      await run;
    }

    test("a run that is killed between two replicas: the others serve, and the next finishes", async () => {
      const { seen } = await at.underVisitors(async () => {
        await breakIn("three", () =>
          project.onHost("systemctl kill -s KILL 'hostkit-run-shop-*.service'"),
        );
        return at.provision();
      });
      expect(seen.failures).toEqual([]);
      expect(seen.bodies.toSorted()).toEqual(["one", "three"]);
      expect(await at.containers()).toBe(replicasOf("b"));
      expect(await marks()).toBe("");
      expect((await project.hostkit("plan")).exitCode).toBe(0);
    });

    test.runIf(isLong)(
      "a power cut between two replicas: the former ones serve after the boot",
      async () => {
        await breakIn("four", async () => {
          await powerOffLabHost(project.host.name);
          await powerOnLabHost(project.host.name);
        });
        await until("all are back", async () => (await at.containers()) === replicasOf("b"));
        expect(await marks()).toBe("");
        await succeed(at.provision());
        expect(await at.containers()).toBe(replicasOf("a"));
      },
    );

    test.runIf(process.env["HOSTKIT_LONG"] === "1")(
      "another number of replicas stops all of them, and the plan says so",
      async () => {
        await project.edit([["web", "page", "replicas"], 2]);
        const plan = await project.hostkit("plan", "--details");
        expect(plan.stdout).toContain("all replicas stop before the new ones start");
        expect(plan.stdout).toMatch(/page/);
        await succeed(at.provision());
        expect((await at.containers()).split("\n")).toHaveLength(2);
        expect((await project.hostkit("plan")).exitCode).toBe(0);
      },
    );
  },
);
