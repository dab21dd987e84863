#!/usr/bin/env node
// Writes the rules about rooms into .oxlintrc.json from scripts/rooms.mjs; the rest of that file stays.
// Usage: node scripts/generate-lint.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rooms } from "./rooms.mjs";

const file = fileURLToPath(new URL("../.oxlintrc.json", import.meta.url));
const effects =
  "^(node:|(fs|path|os|crypto|child_process|net|stream|util)(/|$)|(ssh2|ssh-config|execa|pino|commander|tar-stream|log-update|@inquirer)(/|$))";
const globals = [
  "process",
  "Buffer",
  "fetch",
  "performance",
  "setTimeout",
  "setInterval",
  "crypto",
];
const order = Object.keys(rooms).reverse().join(" → ");

function rulesOf([room, { imports, pure }]) {
  const others = Object.keys(rooms).filter((other) => other !== room && !imports.includes(other));
  const upward = {
    regex: `^(\\.\\./)+(${[...others, "cli\\.ts"].join("|")})(/|$)`,
    message: `src/${room} must not know this room: cli → ${order}, as scripts/rooms.mjs says`,
  };
  const outside = {
    regex: effects,
    message: `src/${room} is pure: no I/O, no clock, no randomness; values come in as arguments`,
  };
  return {
    files: [`src/${room}/**`],
    rules: {
      "no-restricted-imports": ["error", { patterns: pure ? [upward, outside] : [upward] }],
      ...(pure
        ? {
            "no-restricted-globals": [
              "error",
              ...globals.map((name) => ({ name, message: `src/${room} is pure` })),
            ],
            "no-restricted-properties": [
              "error",
              { object: "Date", property: "now", message: "pure rooms have no clock" },
              { object: "Math", property: "random", message: "pure rooms have no randomness" },
            ],
          }
        : {}),
    },
  };
}

/** The whole configuration, with the rules about rooms made anew. */
export function renderLint(text) {
  const config = JSON.parse(text);
  const isRoom = ({ files }) => Object.keys(rooms).some((room) => files[0] === `src/${room}/**`);
  config.overrides = [
    ...Object.entries(rooms).map(rulesOf),
    ...config.overrides.filter((override) => !isRoom(override)),
  ];
  return `${JSON.stringify(config, undefined, 1)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(file, renderLint(readFileSync(file, "utf8")));
