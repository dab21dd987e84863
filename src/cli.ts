#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openPackedProgram } from "./packed-program.ts";

const words = process.argv.slice(2);

// A pipe whose reader has gone (`hostkit plan | head`) is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
}

if (words.length === 1 && (words[0] === "--version" || words[0] === "-V")) {
  // Nothing else is loaded: this answers as fast as Node starts.
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  process.stdout.write(`${(JSON.parse(text) as { version: string }).version}\n`);
} else {
  const verb = words.find((word) => /^[a-z]+$/.test(word)) ?? "hostkit";
  const packed = openPackedProgram(fileURLToPath(new URL(".", import.meta.url)), verb, process.env);
  const { main } = packed?.main ?? (await import("./commands/line/main.ts"));
  process.exitCode = await main(words, {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    workingDirectory: process.cwd(),
    onInterrupt: (listener) => {
      process.on("SIGINT", listener);
      return () => void process.off("SIGINT", listener);
    },
  });
  // Idle agent sockets and the like must not keep a finished command alive.
  process.stdout.write("", () => {
    packed?.keep();
    process.exit();
  });
}
