import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readDotenv } from "../../../src/writers/dotenv.ts";

interface Case {
  readonly text: string;
  readonly values?: Readonly<Record<string, string>>;
  /** Line and a part of the message of each mistake. */
  readonly mistakes?: readonly (readonly [number, string])[];
}

const folder = path.resolve(import.meta.dirname, "../../cases/dotenv");

describe.each(readdirSync(folder))("%s", (file) => {
  const cases = parse(readFileSync(path.join(folder, file), "utf8")) as Record<string, Case>;
  test.each(Object.entries(cases))("%s", (_, { text, values = {}, mistakes = [] }) => {
    const read = readDotenv(text);
    expect(Object.fromEntries(read.variables.map(({ name, value }) => [name, value]))).toEqual(
      values,
    );
    expect(read.mistakes.map(({ line }) => line)).toEqual(mistakes.map(([line]) => line));
    mistakes.forEach(([, part], index) => expect(read.mistakes[index]?.message).toContain(part));
  });
});

test("no message has a value in it", () => {
  const { mistakes } = readDotenv("A=s3cret$X\nB=\"${s3cret-x y\nC='s3cret");
  expect(mistakes.length).toBe(2);
  expect(JSON.stringify(mistakes)).not.toContain("s3cret$X");
});

test("a secret's dollar sign is a dollar sign", () => {
  expect(readDotenv('A=$2a$10$abc#x\nB="a\\$b"\n', { expand: false }).variables).toEqual([
    { name: "A", value: "$2a$10$abc#x", line: 1 },
    { name: "B", value: "a$b", line: 2 },
  ]);
});
