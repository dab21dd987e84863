import { readFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import type { RunPrograms } from "../plan/bundle.ts";
import { packageRoot } from "./paths.ts";

/** EJS texts of templates/host, by their path there. */
export async function readTemplates(): Promise<ReadonlyMap<string, string>> {
  const root = path.join(packageRoot, "templates/host");
  const items = await readdir(root, { recursive: true, withFileTypes: true });
  const names = items
    .filter((item) => item.isFile())
    .map((item) => path.relative(root, path.join(item.parentPath, item.name)))
    .sort();
  const texts = await Promise.all(names.map((name) => readFile(path.join(root, name), "utf8")));
  return new Map(names.map((name, index) => [name, texts[index] ?? ""]));
}

/** The scripts that carry out a run on the host. */
export async function readRunPrograms(): Promise<RunPrograms> {
  const read = async (name: string) =>
    readFile(path.join(packageRoot, "templates/run", name), "utf8");
  const [
    runner = "",
    paths = "",
    records = "",
    traffic = "",
    exchange = "",
    guard = "",
    ...restore
  ] = await Promise.all(
    [
      "runner.sh",
      "paths.sh",
      "records.sh",
      "traffic.sh",
      "exchange.sh",
      "guard.sh",
      "restore.sh",
      "restore-part.sh",
      "restore-settle.sh",
    ].map(read),
  );
  return {
    runner,
    paths,
    records: `${records}\n${traffic}\n${exchange}`,
    guard,
    restore: restore.join("\n"),
  };
}

/** hostkit's own version. */
export function readVersion(): string {
  const text = readFileSync(path.join(packageRoot, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
