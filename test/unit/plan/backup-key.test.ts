import { expect, test } from "vitest";
import { planKeyRotation } from "../../../src/plan/backup-key.ts";

const key = {
  ...{ repository: "local", path: "/etc/k", program: "/usr/local/lib/b", lock: "/l" },
};

test("the old key is written down before the new one is added, and removed last", () => {
  expect(planKeyRotation(key).map(({ id }) => id)).toEqual([
    "backup-key:old",
    "backup-key:new",
    "backup-key:remove",
  ]);
});

test("a password that comes from here is read from stdin alone", () => {
  const steps = planKeyRotation({ ...key, password: "very-secret" });
  expect(steps[0]?.stdin).toEqual({ secret: "very-secret\n" });
  for (const { script, title } of steps) expect(script.text + title).not.toContain("very-secret");
  expect(planKeyRotation(key)[0]).not.toHaveProperty("stdin");
});
