import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { listMigrations } from "../../../../src/local/migrations.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";

const folder = path.join(import.meta.dirname, "../../../../templates/stacks/dxcluster");

describe("the stack's manifest", () => {
  const parsed = parseManifest(
    fs.readFileSync(path.join(folder, "hostkit.yaml"), "utf8"),
    "hostkit.yaml",
  );

  it("has no problem", () => {
    expect(parsed.problems).toEqual([]);
    expect(parsed.manifest?.services.map((service) => service.watchdogSeconds)).toEqual([60]);
  });

  it("names folders and migrations that exist", () => {
    expect(
      listMigrations({ files: fs.readdirSync(path.join(folder, "db/migrations")) }),
    ).toMatchObject({
      mistakes: [],
    });
    for (const name of ["api", "dashboard"])
      expect(fs.existsSync(path.join(folder, name, "Dockerfile"))).toBe(true);
  });
});
