import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatBytes } from "../../../src/report/bytes.ts";
import { renderCompletion } from "../../../src/report/completion.ts";
import { formatSeconds, formatTime } from "../../../src/report/duration.ts";
import { logNameOf, openLog, pruneLogs } from "../../../src/report/log.ts";
import { createRedactor } from "../../../src/report/redact.ts";

test.each([
  [-1, "0.0 s"],
  [0.04, "0.0 s"],
  [9.94, "9.9 s"],
  [9.96, "10 s"],
  [59.4, "59 s"],
  [59.6, "1 min"],
  [60, "1 min"],
  [185, "3 min 5 s"],
  [3599.6, "1 h"],
  [3600, "1 h"],
  [7800, "2 h 10 min"],
  [200_000, "2 days"],
])("formatSeconds(%d)", (seconds, expected) => {
  expect(formatSeconds(seconds)).toBe(expected);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [20 * 1024 * 1024, "20 MiB"],
])("formatBytes(%d)", (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected);
});

test("formatTime is UTC", () => {
  expect(formatTime(1_763_683_200)).toBe("2025-11-21 00:00");
});

describe("createRedactor", () => {
  const long = fc.string({ minLength: 4, maxLength: 40 });

  test("no secret is left in any text, nor in the JSON of it", () => {
    fc.assert(
      fc.property(
        fc.array(long, { minLength: 1, maxLength: 4 }),
        fc.array(fc.string()),
        (secrets, around) => {
          const redactor = createRedactor();
          for (const secret of secrets) redactor.add(secret);
          const text = around
            .flatMap((piece, index) => [piece, secrets[index % secrets.length] ?? ""])
            .join(" ");
          const hidden = redactor.hide(text);
          const json = redactor.hide(JSON.stringify({ text }));
          for (const secret of secrets) {
            // A short one is hidden where it stands alone, not as a part of another word.
            const isPart = [...around, ...secrets, "[secret]"].some(
              (piece) => piece !== secret && piece.includes(secret),
            );
            if (secret.length < 12 && isPart) continue;
            expect(hidden).not.toContain(secret);
            expect(json).not.toContain(JSON.stringify(secret).slice(1, -1));
          }
        },
      ),
    );
  });

  test("lines of a key count one by one, its borders do not", () => {
    const redactor = createRedactor();
    redactor.add("-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END KEY-----\n");
    expect(redactor.hide("got MC4CAQAwBQYDK2VwBCIEIA")).toBe("got [secret]");
    expect(redactor.hide("-----BEGIN KEY-----")).toBe("-----BEGIN KEY-----");
  });

  test("what is too short to be secret stays", () => {
    const redactor = createRedactor();
    redactor.add("on");
    redactor.add("");
    expect(redactor.hide("once upon")).toBe("once upon");
  });
});

describe("the log file", () => {
  test("holds no secrets, is for its owner only, and old ones go", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "hostkit-log-"));
    try {
      const redactor = createRedactor();
      redactor.add('s3cret"\nvalue');
      const file = path.join(folder, "deep", logNameOf("plan", new Date(0)));
      expect(path.basename(file)).toBe("1970-01-01T000000Z-plan.log");
      const log = await openLog({ file, redactor });
      log.info('got s3cret"\nvalue', { nested: { value: 's3cret"\nvalue' } });
      const text = await readFile(file, "utf8");
      expect(text).not.toContain("s3cret");
      expect(JSON.parse(text)).toMatchObject({
        msg: "got [secret]",
        nested: { value: "[secret]" },
      });
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      for (let index = 10; index < 15; index += 1)
        await writeFile(path.join(folder, `20${index}.log`), "");
      await writeFile(path.join(folder, "notes.txt"), "");
      await pruneLogs(folder, 2);
      expect((await readdir(folder)).sort()).toEqual(["2013.log", "2014.log", "deep", "notes.txt"]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("renderCompletion", () => {
  const commands = [
    {
      words: [],
      summary: "",
      subcommands: [
        { word: "plan", summary: "it's a plan" },
        { word: "backup", summary: "backups" },
      ],
      options: [],
    },
    {
      words: ["plan"],
      summary: "it's a plan",
      subcommands: [],
      options: [{ long: "--out", summary: "a file", takesValue: true }],
    },
    { words: ["backup"], summary: "", subcommands: [{ word: "run", summary: "now" }], options: [] },
    {
      words: ["backup", "run"],
      summary: "",
      subcommands: [],
      options: [{ short: "-v", long: "--verbose", summary: "", takesValue: false }],
    },
  ];

  test.each([
    [["hostkit", ""], "plan backup"],
    [["hostkit", "pl"], "plan"],
    [["hostkit", "plan", ""], "--out"],
    [["hostkit", "backup", ""], "run"],
    [["hostkit", "--json", "backup", "run", "--"], "--verbose"],
  ])("bash completes %j", async (words, expected) => {
    const script = renderCompletion("bash", commands) ?? "";
    const { stdout } = await promisify(execFile)("bash", [
      "-c",
      `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hostkit; echo "\${COMPREPLY[*]}"`,
      "bash",
      ...words,
    ]);
    expect(stdout.trim()).toBe(expected);
  });

  test("zsh and fish scripts hold every verb, quoted; other shells have none", () => {
    expect(renderCompletion("zsh", commands)).toContain(`'plan:it'\\''s a plan'`);
    expect(renderCompletion("fish", commands)).toContain(`-a plan -d 'it'\\''s a plan'`);
    expect(renderCompletion("tcsh", commands)).toBeUndefined();
  });
});
