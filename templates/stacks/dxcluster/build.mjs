/** Bundles the TypeScript of the stack and packs the scraper. Run through ./build-packages. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const at = (...parts) => path.join(here, ...parts);
const read = (...parts) => fs.readFileSync(at(...parts), "utf8");

const changelog = read("scraper/package/changelog");
const version = /\((.*?)\)/.exec(changelog)[1];
const epoch = Math.floor(Date.parse(/^ -- .*?> {2}(.*)$/m.exec(changelog)[1]) / 1000);

const node = {
  bundle: true,
  platform: "node",
  target: "node18",
  format: "cjs",
  external: ["pg-native"],
  legalComments: "none",
  logLevel: "warning",
  absWorkingDir: here,
  write: false,
  define: { SCRAPER_VERSION: JSON.stringify(version), STACK_VERSION: JSON.stringify(version) },
};

const made = (
  await Promise.all([
    build({
      ...node,
      entryPoints: ["scraper/src/main.ts"],
      outfile: "scraper/dist/dx-scraper.cjs",
    }),
    build({ ...node, entryPoints: ["api/src/main.ts"], outfile: "api/dist/server.cjs" }),
    build({
      ...node,
      entryPoints: ["dashboard/src/main.ts"],
      outfile: "dashboard/dist/server.cjs",
    }),
    build({
      ...node,
      entryPoints: ["simulator/src/main.ts"],
      outfile: "simulator/dist/simulator.cjs",
    }),
    ...buildPage(),
  ])
).flatMap(({ outputFiles }) => outputFiles);
const files = new Map(made.map(({ path: file, contents }) => [file, Buffer.from(contents)]));
for (const name of ["index.html", "favicon.svg"])
  files.set(at("dashboard/dist/public", name), fs.readFileSync(at("dashboard/page", name)));
files.set(
  at("dashboard/dist/public/world.json"),
  fs.readFileSync(at("node_modules/world-atlas/countries-110m.json")),
);
for (const folder of ["scraper/dist", "api/dist", "dashboard/dist", "simulator/dist"])
  removeOthers(at(folder));
for (const [file, content] of files) writeIfNew(file, content);

const packed = packScraper();
console.log(
  `${packed ? "built" : "as before:"} dist/dx-scraper.deb ${version}; built api/dist, dashboard/dist, simulator/dist`,
);

/** The page: one entry that paints at once, charts and map in chunks it loads afterwards. */
function buildPage() {
  const page = { ...node, platform: "browser", target: "es2022", minify: true };
  const outdir = "dashboard/dist/public";
  return [
    build({
      ...page,
      format: "esm",
      splitting: true,
      // A name that changes with the content: browsers may keep these for ever.
      chunkNames: "[name]-[hash]",
      entryPoints: ["dashboard/page/page.ts", "dashboard/page/page.css"],
      outdir,
    }),
    build({ ...page, format: "iife", entryPoints: ["dashboard/page/theme.ts"], outdir }),
  ];
}

/** A file that stays as it is keeps its time: whoever watches it sees only what has changed. */
function writeIfNew(file, content) {
  if (fs.existsSync(file) && content.equals(fs.readFileSync(file))) return;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}

/** What a build before this one made and this one does not. */
function removeOthers(folder) {
  if (!fs.existsSync(folder)) return;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) removeOthers(file);
    else if (!files.has(file)) fs.rmSync(file);
  }
}

/** @returns false where the package that is there was made of the same. */
function packScraper() {
  const root = at("dist/root");
  const stamp = at("dist/.dx-scraper.made-of");
  const madeOn = process.env.SOURCE_DATE_EPOCH ?? String(epoch);
  const madeOf = createHash("sha256")
    .update(madeOn)
    .update(fs.readFileSync(import.meta.filename));
  for (const name of fs.readdirSync(at("scraper/package")).sort())
    madeOf.update(`${name}\n`).update(fs.readFileSync(at("scraper/package", name)));
  const sources = madeOf.update(read("scraper/dist/dx-scraper.cjs")).digest("hex");
  const deb = at("dist/dx-scraper.deb");
  const before = fs.existsSync(stamp) && fs.existsSync(deb) ? fs.readFileSync(stamp, "utf8") : "";
  if (before !== "" && before === `${sources} ${hashOf(deb)}`) return false;
  fs.rmSync(root, { recursive: true, force: true });
  const put = (target, content, mode = 0o644) => {
    const file = path.join(root, target);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content, { mode });
    fs.chmodSync(file, mode);
  };
  put("usr/bin/dx-scraper", read("scraper/package/dx-scraper"), 0o755);
  put("usr/lib/dx-scraper/dx-scraper.cjs", read("scraper/dist/dx-scraper.cjs"));
  put("etc/dx-scraper/dx-scraper.conf", read("scraper/package/dx-scraper.conf"));
  put("usr/share/doc/dx-scraper/copyright", read("scraper/package/copyright"));
  put("usr/share/doc/dx-scraper/changelog.gz", gzipSync(changelog, { level: 9 }));
  put("usr/lib/systemd/system/dx-scraper.service", read("scraper/package/dx-scraper.service"));
  put(
    "usr/share/man/man8/dx-scraper.8.gz",
    gzipSync(read("scraper/package/dx-scraper.8"), { level: 9 }),
  );

  const inside = fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
  const bytes = inside.reduce((sum, file) => sum + fs.statSync(path.join(root, file)).size, 0);
  const sums = inside
    .filter((file) => !file.startsWith("etc/"))
    .map(
      (file) =>
        `${createHash("md5")
          .update(fs.readFileSync(path.join(root, file)))
          .digest("hex")}  ${file}\n`,
    );
  put("DEBIAN/md5sums", sums.join(""));
  for (const script of ["postinst", "prerm", "postrm"])
    put(`DEBIAN/${script}`, read(`scraper/package/${script}`), 0o755);
  put("DEBIAN/conffiles", "/etc/dx-scraper/dx-scraper.conf\n");
  put(
    "DEBIAN/control",
    read("scraper/package/control")
      .replace("@VERSION@", version)
      .replace("@SIZE@", String(Math.ceil(bytes / 1024))),
  );
  // Folders made under a tight umask would be closed on the host.
  for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory())
      fs.chmodSync(path.join(entry.parentPath ?? entry.path, entry.name), 0o755);
  }
  fs.chmodSync(root, 0o755);
  fs.mkdirSync(at("dist"), { recursive: true });
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", root, deb], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, SOURCE_DATE_EPOCH: madeOn },
  });
  fs.rmSync(root, { recursive: true });
  fs.writeFileSync(stamp, `${sources} ${hashOf(deb)}`);
  return true;
}

function hashOf(file) {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}
