#!/usr/bin/env node
// Writes what a package installs beside the program, made from the command line itself: completions and the man page.
// Needs a build (npm run build). Usage: node packaging/generate.mjs DIRECTORY
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = path.resolve(process.argv[2] ?? fail());
const cli = path.join(root, "dist/cli.js");
const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/** Paths as Debian installs them, below the target. */
const completions = {
  bash: "usr/share/bash-completion/completions/hostkit",
  zsh: "usr/share/zsh/vendor-completions/_hostkit",
  fish: "usr/share/fish/vendor_completions.d/hostkit.fish",
};
for (const [shell, file] of Object.entries(completions)) {
  write(file, execFileSync(process.execPath, [cli, "completion", shell], { encoding: "utf8" }));
}
const line = path.join(root, "dist/commands/line");
const { buildProgram } = await import(path.join(line, "program.js"));
const { everyCommand } = await import(path.join(line, "command-tree.js"));
write("usr/share/man/man1/hostkit.1", renderManual());

function renderManual() {
  const hooks = { onContext: () => {}, onExit: () => {} };
  const program = buildProgram({ stdout: {}, stderr: {}, environment: {} }, hooks);
  const verbs = everyCommand(program).filter((command) => command.commands.length === 0);
  const common = program.options.filter((option) => option.long !== "--version");
  const names = new Set(common.map((option) => option.long));
  return [
    `.TH HOSTKIT 1 "" "hostkit ${version}"`,
    ".SH NAME",
    `hostkit \\- ${escape("turn a bare Debian or Ubuntu host into what one file describes")}`,
    ".SH SYNOPSIS",
    ".B hostkit\n.I VERB\n[options]",
    ".SH VERBS",
    ...verbs.flatMap((command) => {
      const parent = command.parent === program ? "" : `${command.parent.name()} `;
      const own = command.options.filter((option) => !names.has(option.long));
      return [
        ".TP",
        `.B ${escape(`${parent}${command.name()}`)} ${escape(command.usage().replace(/^\[options\] ?/, ""))}`,
        escape(command.description()),
        ...own.flatMap((option) => [
          ".br",
          `${escape(option.flags)}: ${escape(option.description)}`,
        ]),
      ];
    }),
    ".SH OPTIONS",
    ...common.flatMap((option) => [
      ".TP",
      `.B ${escape(option.flags)}`,
      escape(option.description),
    ]),
    ".SH FILES",
    ".TP\n.I hostkit.yaml\nthe manifest",
    ".TP\n.I .hostkit/secrets\nvalues of secrets, NAME=VALUE, beside the manifest",
    ".TP\n.I ~/.local/state/hostkit/log\nlog files",
    ".SH EXIT STATUS",
    "0: done. 1: it did not work. 2: plan found changes. Others: docs/exit-codes.md of the package.",
    "",
  ].join("\n");
}

function escape(text) {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}

function write(file, text) {
  const where = path.join(target, file);
  mkdirSync(path.dirname(where), { recursive: true });
  writeFileSync(where, text);
}

function fail() {
  process.stderr.write("usage: node packaging/generate.mjs DIRECTORY\n");
  process.exit(64);
}
