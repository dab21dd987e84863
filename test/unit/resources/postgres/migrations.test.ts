import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { hashText } from "../../../../src/facts/files/hash.ts";
import { listMigrations } from "../../../../src/local/migrations.ts";
import {
  hashMigration,
  isMigration,
  readMigration,
} from "../../../../src/resources/postgres/migration-file.ts";
import { renderSession } from "../../../../src/resources/postgres/migration-script.ts";

function readCases<T>(name: string): T[] {
  return parse(
    readFileSync(new URL(`../../../cases/migrations/${name}`, import.meta.url), "utf8"),
  ) as T[];
}

interface FolderCase {
  about: string;
  files: string[];
  folders?: Record<string, string[]>;
  names: string[];
  mistakes?: string[];
  warnings?: string[];
}

describe("folders", () => {
  test.each(readCases<FolderCase>("folders.yaml"))("$about", (entry) => {
    const found = listMigrations({
      files: entry.files,
      folders: new Map(Object.entries(entry.folders ?? {})),
    });
    expect(found.names).toEqual(entry.names);
    const parts = (expected: readonly string[] = []) =>
      expected.map((part) => expect.stringContaining(part) as string);
    expect(found.mistakes).toEqual(parts(entry.mistakes));
    expect(found.warnings).toEqual(parts(entry.warnings));
  });
});

interface FileCase {
  about: string;
  name?: string;
  text: string;
  runs?: string[];
  alone?: boolean;
  problems?: string[];
  severities?: string[];
}

describe("files", () => {
  test.each(readCases<FileCase>("files.yaml"))("$about", (entry) => {
    const { statements, isAlone, problems } = readMigration({
      name: entry.name ?? "0001_a.sql",
      text: entry.text,
    });
    if (entry.runs !== undefined) {
      const runs = statements.map(({ text }) =>
        text.replaceAll(/^(?:\s+|--.*\n|\/\*.*?\*\/)*/g, ""),
      );
      expect(runs).toEqual(
        entry.runs.map((part) => expect.stringMatching(startOf(part)) as string),
      );
    }
    expect(isAlone).toBe(entry.alone ?? false);
    const seen = problems.map(({ line, message }) => `${line}: ${message}`);
    expect(seen).toEqual(
      (entry.problems ?? []).map((part) => expect.stringMatching(startOf(part)) as string),
    );
    if (entry.problems !== undefined)
      expect([...new Set(problems.map(({ severity }) => severity))]).toEqual(
        entry.severities ?? ["error"],
      );
  });
});

function startOf(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`);
}

describe("the same migration", () => {
  const plain = "select 'ä';\nselect 2;\n";
  const checkouts = [plain, plain.replaceAll("\n", "\r\n"), `\uFEFF${plain}`];

  test.each(checkouts)("%j", (text) => {
    expect(hashMigration({ text })).toBe(hashText(plain));
    // Earlier hostkits wrote down the bytes of whatever checkout they saw.
    for (const other of checkouts) expect(isMigration({ text }, hashText(other))).toBe(true);
    expect(isMigration({ text: `${text} ` }, hashText(plain))).toBe(false);
  });
});

test("psql is given every statement as a text, in the line in which it stands", () => {
  const text = "-- a\n\ncreate table a (x int); select $hostkit$1$hostkit$;\n\n  select 2\n;\n";
  const file = { name: "0001 'a'.sql", text };
  const [begin, statements, end] = renderSession(file, readMigration(file));
  expect(statements?.path).toBe("0001__a_.sql");
  expect(statements?.text).toBe(
    "select $hostkit$-- a\n\ncreate table a (x int);$hostkit$ \\gexec \\\\ select $hostkit1$select $hostkit$1$hostkit$;$hostkit1$ \\gexec \\\\ \n\nselect $hostkit$select 2\n;$hostkit$ \\gexec \\\\ \n",
  );
  expect(begin?.text).toContain("txid_current()");
  expect(end?.text).toContain("'0001 ''a''.sql'");
});

test("what has to come before any query does", () => {
  const text = "-- a\nSET TRANSACTION Isolation LEVEL serializable, read write;\nselect 1;\n";
  const file = { name: "1.sql", text };
  const [begin, statements] = renderSession(file, readMigration(file));
  expect(begin?.text).toMatch(
    /^set transaction isolation level serializable , read write;\nset lock_timeout/,
  );
  expect(statements?.text).toBe("\n\nselect $hostkit$select 1;$hostkit$ \\gexec \\\\ \n");
});
