import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { everyCommand } from "../../../src/commands/line/command-tree.ts";
import { buildProgram } from "../../../src/commands/line/program.ts";
import { runHostkit } from "../../harness/run-hostkit.ts";

/** The pages hold the help as it is printed: a help text that changes by mistake is seen here. */
const folder = path.resolve(import.meta.dirname, "../../../docs/verbs");
const pages = readdirSync(folder).filter((name) => name.endsWith(".md"));
const blocks = pages.flatMap((page) => {
  const text = readFileSync(path.join(folder, page), "utf8");
  return [...text.matchAll(/<!-- help: ([a-z ]+) -->\n```\n([^`]*)```\n/g)].map(
    ([, verb = "", help = ""]) => ({ page, verb, help }),
  );
});

test.each(blocks)(
  "docs/verbs/$page: $verb (node scripts/generate-verbs.mjs mends it)",
  async ({ verb, help }) => {
    const { stdout } = await runHostkit([...verb.split(" "), "--help"], {
      workingDirectory: folder,
    });
    expect(help).toBe(stdout.replaceAll("`", "'"));
  },
);

test("every verb has a page with its help and an example", () => {
  const program = buildProgram(
    { ...process, workingDirectory: folder, environment: {}, onInterrupt: () => () => undefined },
    { onContext: () => undefined, onExit: () => undefined },
  );
  const verbs = everyCommand(program)
    .filter((command) => command.commands.length === 0 && command.parent !== null)
    .map((command) => {
      const names = [];
      for (let at: typeof command | null = command; at !== null && at !== program; at = at.parent)
        names.unshift(at.name());
      return names.join(" ");
    });
  expect(blocks.map(({ verb }) => verb).sort()).toEqual(verbs.sort());
  for (const { help } of blocks) expect(help).toMatch(/Examples:\n {2}hostkit /);
});
