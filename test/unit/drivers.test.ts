import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

/** What has drivers is not asked which kind it is: whoever wants to know something gets it from the driver. */
const root = path.resolve(import.meta.dirname, "../..");
const files = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => path.join("src", name));

const drivers = [
  {
    what: "storages of backups",
    asks: [
      /\.kind [!=]== "(?:local|sftp|s3)"|case "(?:sftp|s3)"/,
      /"(?:bucket|endpoint|host_key|hostKey|access_key|accessKey|identity)" in\b/,
      /"(?:host|path)" in (?:entry|repository|written|one)\b/,
    ],
    homes: ["src/manifest/sections/repositories.ts", "src/stack/backups/storages/"],
    samples: ['if (repository.kind === "s3") x();', 'if ("bucket" in entry) x();'],
  },
  {
    what: "sources of values",
    asks: [
      /\bfrom\.kind [!=]==|case "(?:env|default)"/,
      /"(?:env|file|variable)" in (?:entry|from|secret|source|written)\b/,
    ],
    homes: ["src/manifest/sections/secrets.ts", "src/local/secrets/"],
    samples: ['secret.from.kind === "file"', '"env" in entry'],
  },
];

describe.each(drivers)("$what", ({ asks, homes, samples }) => {
  const isAsking = (text: string) => asks.some((pattern) => pattern.test(text));

  test("nobody else asks for the kind", () => {
    const asking = files.filter(
      (file) =>
        !homes.some((home) => file.startsWith(home)) &&
        isAsking(readFileSync(path.join(root, file), "utf8")),
    );
    expect(asking).toEqual([]);
  });

  test.each(samples)("would be seen: %s", (sample) => {
    expect(isAsking(sample)).toBe(true);
  });

  test("the homes are there", () => {
    for (const home of homes) expect(files.some((file) => file.startsWith(home))).toBe(true);
  });
});
