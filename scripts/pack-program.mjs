#!/usr/bin/env node
// Puts what tsc wrote and the libraries into a few files, dist/packed/*.cjs: hundreds of modules take Node four times as long to find,
// read and link as these. dist/cli.js uses them when they are not older than itself. Usage: npm run build, or
// node scripts/pack-program.mjs DIST
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const dist = path.resolve(process.argv[2] ?? fileURLToPath(new URL("../dist", import.meta.url)));
const folder = path.join(dist, "packed");

/** Machine code cannot be packed: it is loaded from its package. */
const nativeCode = {
  name: "native-code",
  resolveId(id, importer) {
    if (!id.endsWith(".node")) return null;
    const file = path.resolve(path.dirname(importer), id);
    const inPackages = file.slice(file.lastIndexOf("/node_modules/") + "/node_modules/".length);
    return { id: inPackages, external: true };
  },
};

const program = await rolldown({
  input: { main: path.join(dist, "commands/line/main.js") },
  platform: "node",
  external: ["cpu-features"],
  plugins: [nativeCode],
});
await rm(folder, { recursive: true, force: true });
const { output } = await program.write({
  dir: folder,
  format: "cjs",
  // A name stands for a content: code that V8 compiled is kept by it.
  entryFileNames: "[name]-[hash].cjs",
  chunkFileNames: "[name]-[hash].cjs",
  // Lines stay lines, names stay names: a stack trace must tell something.
  minify: false,
  comments: false,
});
await program.close();
const left = output.filter(({ code }) => /\bimport\(|\bimport\.meta\b/.test(code ?? ""));
if (left.length > 0)
  throw new Error(`not packed: ${left.map(({ fileName }) => fileName).join(", ")}`);
// Last, so that a packing that was cut short is none.
await writeFile(path.join(folder, "entry"), output.find(({ isEntry }) => isEntry).fileName);
