#!/usr/bin/env node
// Writes the help of every verb into its page in docs/verbs, between the marker and the next fence. Needs a build (npm run build).
// Usage: node scripts/generate-verbs.mjs
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}docs/verbs`;

for (const name of readdirSync(folder).filter((file) => file.endsWith(".md"))) {
  const text = readFileSync(`${folder}/${name}`, "utf8");
  const next = text.replace(
    /(<!-- help: ([a-z ]+) -->\n```\n)[^`]*(```\n)/g,
    (_all, begin, verb, end) => {
      const help = execFileSync(
        process.execPath,
        [`${root}dist/cli.js`, ...verb.split(" "), "--help"],
        { encoding: "utf8" },
      );
      return `${begin}${help.replaceAll("`", "'")}${end}`;
    },
  );
  if (next !== text) writeFileSync(`${folder}/${name}`, next);
}
