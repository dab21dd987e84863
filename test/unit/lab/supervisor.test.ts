import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { labPaths } from "../../../src/lab/paths.ts";
import { kernelNames } from "../../../src/lab/power.ts";
import { renderSupervisor } from "../../../src/lab/supervisor.ts";

describe("the supervisor", () => {
  test.each(["/lab/cgroup", undefined])(
    "is a valid shell program (control group %s)",
    async (cgroup) => {
      const program = renderSupervisor({
        name: "a",
        machine: "m",
        folder: "/l'ab/a",
        base: "/c/base",
        netns: "n",
        veth: "v",
        bridge: "b",
        mtu: 1400,
        mac: "02:00:00:00:00:02",
        address: "10.83.1.2",
        gateway: "10.83.1.1",
        address6: "fd00::2",
        gateway6: undefined,
        cgroup,
      });
      await execa("sh", ["-n"], { input: program });
      expect(program).toContain("FOLDER='/l'\\''ab/a'");
    },
  );
});

describe("names the kernel sees", () => {
  test("fit and differ between hosts and labs", () => {
    const lab = labPaths({});
    const other = labPaths({ HOSTKIT_LAB_DIR: "/tmp/other" });
    expect(other.id).not.toBe(lab.id);
    const names = [kernelNames(lab, "a"), kernelNames(lab, "b"), kernelNames(other, "a")];
    for (const key of ["netns", "machine", "unit", "veth"] as const) {
      expect(new Set(names.map((name) => name[key])).size).toBe(3);
    }
    expect(kernelNames(lab, "x".repeat(31)).veth.length).toBeLessThanOrEqual(15);
    expect(kernelNames(lab, "x".repeat(31)).machine.length).toBeLessThanOrEqual(64);
  });

  test("a lab folder that mount options would split is refused", () => {
    expect(() => labPaths({ HOSTKIT_LAB_DIR: "/tmp/a,b" })).toThrow(/lab folder/);
    expect(() => labPaths({ HOSTKIT_LAB_CACHE: "/tmp/a b" })).toThrow(/lab folder/);
  });
});
