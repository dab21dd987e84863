import path from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

/** scripts/faults tries some fifty interruptions; these two are cheap: in the middle of a release, while a guard is settled beside it; and without a link. */
test(
  "after an interruption one plain command makes the host as if nothing had been",
  { timeout: 1_800_000 },
  async () => {
    const { exitCode, stdout, stderr } = await execa(
      path.join(root, "scripts/faults"),
      ["--sample"],
      {
        cwd: root,
        env: { HOSTKIT_PREPARED: "1" },
        reject: false,
        stdin: "ignore",
      },
    );
    expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).toContain("2 of 2");
  },
);
