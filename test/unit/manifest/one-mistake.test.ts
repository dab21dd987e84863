import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isMap, isScalar, parseDocument, visit } from "yaml";
import type { Pair } from "yaml";
import { formatProblem, parseManifest } from "../../../src/manifest/parse.ts";

const folder = join(import.meta.dirname, "../../cases/manifest/good");
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

function pairsOf(document: ReturnType<typeof parseDocument>): Pair[] {
  const pairs: Pair[] = [];
  visit(document, { Map: (_, map) => void (isMap(map) && pairs.push(...map.items)) });
  return pairs;
}

/** The manifest with one key written in another way, once for each key or every so many. */
function* misspell(
  text: string,
  spell: (key: string) => string,
  every: number,
): Generator<[string, string]> {
  const count = pairsOf(parseDocument(text, { merge: true })).length;
  for (let index = 0; index < count; index += every) {
    const document = parseDocument(text, { merge: true });
    const key = pairsOf(document)[index]?.key;
    if (!isScalar(key) || typeof key.value !== "string" || key.value === "<<") continue;
    const written = spell(key.value);
    key.value = written;
    yield [written, document.toString()];
  }
}

describe("one wrong key is one problem", () => {
  test.each(files)("%s", { timeout: 120_000 }, (file) => {
    const text = readFileSync(join(folder, file), "utf8");
    for (const [spell, every] of [
      [(key: string) => `${key}x`, 1],
      [(key: string) => `zz${key}`, 4],
    ] as const) {
      for (const [key, written] of misspell(text, spell, every)) {
        const { problems } = parseManifest(written, "hostkit.yaml");
        const errors = problems.filter(({ severity }) => severity === "error");
        // A name, not a key of hostkit's.
        if (!errors.some(({ message }) => message.startsWith(`unknown key "${key}"`))) continue;
        const isMeant = errors.some(({ suggestion }) => suggestion !== undefined);
        // Where nobody can tell which key was meant, it is news that one is missing.
        const others = errors.filter(
          ({ message }) =>
            !message.startsWith("unknown key") && (isMeant || !message.startsWith("missing key")),
        );
        expect(others.map(formatProblem), written).toEqual([]);
      }
    }
  });
});
