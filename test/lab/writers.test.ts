import path from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { labSystemNames } from "../../src/lab/systems.ts";

/** A sample of scripts/writers: generated values through systemd itself. All languages and large numbers are that script's. */
const main = path.resolve(import.meta.dirname, "../../scripts/writers.d/main.mjs");
const languages = ["systemd-environment", "systemd-exec", "systemd-paths", "systemd-text"];

test.each(labSystemNames)(
  "what the writers write comes out of systemd as it went in (%s)",
  async (os) => {
    const { stdout, stderr, exitCode } = await execa(
      "node",
      [main, "--os", os, "--count", "400", ...languages],
      { reject: false, stdin: "ignore" },
    );
    expect(exitCode, stdout + stderr).toBe(0);
    expect(stdout.match(/ ok$/gm)).toHaveLength(languages.length);
  },
);
