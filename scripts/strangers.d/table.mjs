// Prints the table of a run of scripts/strangers from the test runner's report: table.mjs REPORT
import { readFile } from "node:fs/promises";

const report = JSON.parse(await readFile(process.argv[2], "utf8"));
const rows = report.testResults
  .flatMap((file) => file.assertionResults)
  .map(
    (one) =>
      /^(\S+) ([a-z]+-[\d.]+|none): (.*)$/.exec(one.title) && {
        ...one,
        parts: /^(\S+) ([a-z]+-[\d.]+|none): (.*)$/.exec(one.title),
      },
  )
  .filter((one) => one && one.status !== "pending");
const byName = new Map();
for (const { parts, status, duration } of rows) {
  const [, name, system, title] = parts;
  const row = byName.get(name) ?? { title, results: {}, seconds: 0 };
  row.results[system] = status === "passed" ? "right" : "WRONG";
  row.seconds += (duration ?? 0) / 1000;
  byName.set(name, row);
}
const width = Math.max(4, ...[...byName.keys()].map((name) => name.length));
const systems = [...new Set(rows.map(({ parts }) => parts[2]))]
  .filter((one) => one !== "none")
  .sort((left, right) => (left < right ? -1 : 1));
const line = (name, cells, seconds) =>
  `${name.padEnd(width)}  ${cells.map((cell) => cell.padEnd(12)).join("")}${seconds.padStart(7)}`;
const columns = [...systems, "none"];
console.log(`\n${line("case", [...systems, "check"], "seconds")}`);
for (const [name, { results, seconds }] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const cells = columns.map((system) => results[system] ?? "");
  console.log(line(name, cells, seconds.toFixed(0)));
}
const wrong = rows.filter(({ status }) => status !== "passed").length;
console.log(`\n${byName.size} cases, ${rows.length} tries, ${wrong} wrong`);
