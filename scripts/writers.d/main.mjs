// The dispatcher of scripts/writers. A language is one file beside this one that exports:
//   packages   Debian packages of the lab host it needs; [] for none
//   needsHost  false: its program is on this machine
//   most       how many values are tried unless --count says otherwise
//   run({ count, seed, host })   → { tried, refused, failures }   failures: texts, at most a few
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

const folder = import.meta.dirname;
const plain = new Set(["main", "values"]);
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string" },
    seed: { type: "string" },
    os: { type: "string", default: "debian-13" },
    host: { type: "string" },
    list: { type: "boolean", default: false },
  },
});
const known = (await readdir(folder))
  .map((file) => path.basename(file, ".mjs"))
  .filter((name) => !plain.has(name))
  .sort();
if (options.list) {
  process.stdout.write(`${known.join("\n")}\n`);
  process.exit(0);
}
const names = positionals.length === 0 ? known : positionals;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no language ${unknown.join(", ")}; there are: ${known.join(", ")}\n`);
  process.exit(64);
}
const languages = await Promise.all(
  names.map(async (name) => ({ name, ...(await import(path.join(folder, `${name}.mjs`))) })),
);
const seed = Number(options.seed ?? Date.now() % 2 ** 31);
const dist = path.resolve(folder, "../../dist");
const { upLabHost, downLabHost } = await import(path.join(dist, "lab/host.js"));
const { sshArguments } = await import(path.join(dist, "lab/login.js"));

const hostName = options.host ?? `writers-${process.pid}`;
const isHostNeeded = languages.some(({ needsHost }) => needsHost);
let status = 0;
try {
  const host = isHostNeeded ? await makeHost() : undefined;
  process.stdout.write(`seed ${seed}${host === undefined ? "" : `, ${options.os}`}\n`);
  for (const language of languages) {
    const count = Number(options.count ?? language.most);
    const began = performance.now();
    const { tried, refused, failures } = await language.run({ count, seed, host });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const verdict = failures.length === 0 ? "ok" : `${failures.length} FAILED`;
    process.stdout.write(
      `${language.name.padEnd(22)} ${String(tried).padStart(7)} values  ${String(refused).padStart(6)} refused  ${seconds.padStart(7)} s  ${verdict}\n`,
    );
    for (const failure of failures.slice(0, 5)) process.stdout.write(`  ${failure}\n`);
    if (failures.length > 0) status = 1;
  }
} finally {
  if (isHostNeeded && options.host === undefined) await downLabHost(hostName);
}
process.exit(status);

async function makeHost() {
  const packages = [...new Set(languages.flatMap((language) => language.packages))]
    .map((name) => (options.os === "debian-12" ? (name === "docker-cli" ? "" : name) : name))
    .filter((name) => name !== "")
    .sort((a, b) => (a < b ? -1 : 1));
  const host = await upLabHost({ name: hostName, os: options.os, packages, install: true });
  const login = sshArguments(host);
  return {
    os: options.os,
    /** Runs shell text as root; `input`: bytes for its standard input. @returns its standard output, as bytes */
    run: (command, input) =>
      new Promise((resolve, reject) => {
        const child = spawn("ssh", [...login, command], { stdio: ["pipe", "pipe", "pipe"] });
        const out = [];
        const errors = [];
        child.stdout.on("data", (chunk) => out.push(chunk));
        child.stderr.on("data", (chunk) => errors.push(chunk));
        child.stdin.on("error", () => undefined);
        child.on("error", reject);
        child.on("close", (code) =>
          code === 0
            ? resolve(Buffer.concat(out))
            : reject(new Error(`${code}: ${Buffer.concat(errors).toString().slice(-2000)}`)),
        );
        child.stdin.end(input ?? "");
      }),
  };
}
