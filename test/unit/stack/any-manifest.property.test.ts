import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { readTemplates } from "../../../src/local/templates.ts";
import type { Manifest } from "../../../src/manifest/schema.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { stackDirectoryOf } from "../../../src/stack/names.ts";
import { anyManifest, readAny, resolveAny, systems } from "../../harness/any-manifest.ts";
import type { AnySystem } from "../../harness/any-manifest.ts";

/** Whatever can be written: a manifest with problems that have a place, or a plan. */

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

describe("any manifest", () => {
  test("has problems with a place, or a plan; nothing else is thrown", { timeout: 600_000 }, () => {
    let planned = 0;
    fc.assert(
      fc.property(anyManifest, fc.constantFrom(...systems), (written, system) => {
        const read = readAny(written);
        if (read === undefined) return;
        planned += 1;
        checkPlan(read.manifest, system, read.warnings);
      }),
      { numRuns: runs },
    );
    expect(planned).toBeGreaterThan(runs / 4);
  });
});

const runs = Number(process.env["HOSTKIT_FUZZ"] ?? 150);

function checkPlan(read: Manifest, system: AnySystem, warnings: string): void {
  try {
    const { changes } = makePlan({
      host: "h",
      stack: read.stack,
      stackDirectory: stackDirectoryOf(read.stack),
      resources: resolveAny(read, system, templates),
      facts: Facts.of(),
    });
    expect(changes.length).toBeGreaterThan(0);
  } catch (error) {
    if (error instanceof HostkitError && error.code !== "internal") return;
    throw new Error(`${warnings}\n${String((error as Error).stack)}`, { cause: error });
  }
}
