// Writes docs/hosts-as-they-are.md from test/cases/strangers, so that the page says what the tests hold.
import { readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";

const root = path.resolve(import.meta.dirname, "../..");
const folder = path.join(root, "test/cases/strangers");
const headings = {
  bytes: "Bytes",
  check: "Said before anything is touched",
  data: "Data and other people's things",
  firewall: "Firewalls of others",
  health: "Health checks",
  interrupted: "Interrupted runs",
  hostile: "Hostile or broken hosts",
  login: "Login shells and sudo",
  migrations: "Migrations",
  packages: "Packages and uninstall",
  postgres: "PostgreSQL that was there before",
  root: "Users on the host",
  shared: "Shared things: several stacks, files of your own",
  words: "What is said",
  writers: "Values that are another program's syntax",
};
const found = await readdir(folder, { recursive: true });
const cases = await Promise.all(
  found
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map(async (name) => ({ name, ...parse(await readFile(path.join(folder, name), "utf8")) })),
);
const kinds = [...new Set(cases.map(({ name }) => name.split("/")[0]))].sort((a, b) =>
  (headings[a] ?? a) < (headings[b] ?? b) ? -1 : 1,
);
const cell = (text) => text.trim().replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
const lines = [
  "# Hosts as they are",
  "",
  "States of hosts and inputs of projects that were not made for hostkit, and what it does with each. *Handled*: it goes on, and what was",
  "there before is as it was. *Refused*: said before anything is changed. Each row is a case in `test/cases/strangers`;",
  "`scripts/strangers` tries them on Debian 12 and 13. This page is made from them by `scripts/strangers --page`.",
  "",
];
for (const kind of kinds) {
  lines.push(
    `## ${headings[kind] ?? kind}`,
    "",
    "| state or input | | what hostkit does |",
    "|---|---|---|",
  );
  for (const one of cases.filter(({ name }) => name.startsWith(`${kind}/`)))
    lines.push(`| ${cell(one.title)} | ${one.right} | ${cell(one.words)} |`);
  lines.push("");
}
await writeFile(path.join(root, "docs/hosts-as-they-are.md"), `${lines.join("\n").trimEnd()}\n`);
