import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { FactSource } from "../../../src/facts/fact.ts";

/** test/cases/facts/<file in src/facts>/<case>.yaml: what a host printed and what is read from it. */
interface Case {
  about: string;
  /** Name of the source: "file", "secret-file". */
  source: string;
  subjects: string[];
  /** What was expected of subjects, by name. */
  guesses?: Record<string, string>;
  stdout: string;
  expected: Record<string, unknown>;
}

const root = new URL("../../cases/facts/", import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".yaml"),
);

const rooms = new URL("../../../src/facts/", import.meta.url);
const modules = readdirSync(rooms, { recursive: true, encoding: "utf8" });

async function findSource(file: string, name: string): Promise<FactSource<unknown>> {
  const place = modules.find((path) => path.split("/").at(-1) === `${file}.ts`);
  if (place === undefined) throw new Error(`there is no ${file}.ts in src/facts`);
  const module = (await import(new URL(place, rooms).href)) as Record<string, unknown>;
  const found = Object.values(module).find(
    (value): value is FactSource<unknown> =>
      typeof value === "object" &&
      value !== null &&
      "parse" in value &&
      (value as { name?: string }).name === name,
  );
  if (found === undefined) throw new Error(`${place} has no source ${name}`);
  return found;
}

describe("fact cases", () => {
  test.each(files.sort())("%s", async (path) => {
    const entry = parse(readFileSync(new URL(path, root), "utf8")) as Case;
    const source = await findSource(path.split("/")[0] as string, entry.source);
    const guesses = new Map(Object.entries(entry.guesses ?? {}));
    expect(Object.fromEntries(source.parse(entry.stdout, entry.subjects, guesses))).toEqual(
      entry.expected,
    );
    // A missing program is no error, and says nothing about what nobody asked for.
    for (const subject of source.parse("", entry.subjects, guesses).keys())
      expect(entry.subjects).toContain(subject);
  });
});
