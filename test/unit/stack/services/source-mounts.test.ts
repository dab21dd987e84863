import { expect, test } from "vitest";
import { findSourceMounts } from "../../../../src/stack/services/source-mounts.ts";

const entries = [
  "Dockerfile",
  "app.py",
  "dist",
  "dist/assets",
  "dist/assets/page.css",
  "dist/server.js",
  "lib",
  "lib/one.py",
  "package.json",
  "setup.py",
];

/** Dockerfile and what it mounts, as `source → path`. */
const cases: readonly (readonly [name: string, dockerfile: string, mounts: readonly string[]])[] = [
  [
    "a folder: each of its parts, so that what else is there stays",
    "FROM node\nWORKDIR /app\nCOPY dist/ dist/\nCMD node dist/server.js",
    ["dist/assets → /app/dist/assets", "dist/server.js → /app/dist/server.js"],
  ],
  ["a file into a folder", "FROM a\nCOPY app.py /srv/", ["app.py → /srv/app.py"]],
  ["a file under another name", "FROM a\nCOPY app.py /srv/main.py", ["app.py → /srv/main.py"]],
  [
    "several, with owner, as JSON, over two lines",
    'FROM a\nWORKDIR /srv\nWORKDIR web\nCOPY --chown=1:1 \\\n  ["app.py", "setup.py", "./"]',
    ["app.py → /srv/web/app.py", "setup.py → /srv/web/setup.py"],
  ],
  ["a pattern", "FROM a\nCOPY *.py /srv/", ["app.py → /srv/app.py", "setup.py → /srv/setup.py"]],
  [
    "what is installed first is built anew, the rest is mounted",
    "FROM a\nWORKDIR /app\nCOPY package.json .\nRUN npm ci\nCOPY lib lib\nUSER 1000\nEXPOSE 80",
    ["lib/one.py → /app/lib/one.py"],
  ],
  ["a RUN behind the copy may have compiled it", "FROM a\nCOPY lib /lib\nRUN make", []],
  [
    "everything",
    "FROM a\nCOPY . /app",
    ["Dockerfile", "app.py", "dist", "lib", "package.json", "setup.py"].map(
      (name) => `${name} → /app/${name}`,
    ),
  ],
  [
    "a build stage compiles",
    "FROM a AS build\nCOPY . .\nRUN make\nFROM b\nCOPY --from=build /x /x",
    [],
  ],
  [
    "a stage that goes on where another ended",
    "FROM a AS base\nWORKDIR /app\nCOPY lib lib\nFROM base\nCOPY app.py .",
    ["lib/one.py → /app/lib/one.py", "app.py → /app/app.py"],
  ],
  ["the base image's working folder is not known", "FROM a\nCOPY lib lib", []],
  ["a variable in the path", "FROM a\nARG D=/app\nCOPY lib $D/lib", []],
  [
    "a variable in the working folder",
    "FROM a\nWORKDIR $HOME\nCOPY lib lib\nCOPY app.py /app.py",
    ["app.py → /app.py"],
  ],
  ["modes", "FROM a\nCOPY --chmod=755 app.py /app.py", []],
  ["ADD unpacks", "FROM a\nADD app.py /srv/", []],
  ["something else over it", "FROM a AS b\nFROM a\nCOPY lib /srv/lib\nCOPY --from=b /srv /srv", []],
  [
    "the later copy wins",
    "FROM a\nCOPY app.py /srv/x\nCOPY setup.py /srv/x",
    ["setup.py → /srv/x"],
  ],
  ["not in what is sent", "FROM a\nCOPY secret.txt /srv/", []],
  ["not a Dockerfile at all", "hello\n", []],
];

test.each(cases)("%s", (_, dockerfile, mounts) => {
  const found = findSourceMounts(dockerfile, entries);
  expect(found.map(({ source, path }) => `${source} → ${path}`).sort()).toEqual([...mounts].sort());
});

test("only the stage that is built counts", () => {
  const dockerfile = "FROM a AS first\nCOPY app.py /srv/\nFROM a AS second\nCOPY setup.py /srv/";
  expect(findSourceMounts(dockerfile, entries, "First")).toEqual([
    { source: "app.py", path: "/srv/app.py" },
  ]);
  expect(findSourceMounts(dockerfile, entries)).toEqual([
    { source: "setup.py", path: "/srv/setup.py" },
  ]);
});

test("too many are none", () => {
  const many = Array.from({ length: 65 }, (_, index) => `f${index}`);
  expect(findSourceMounts("FROM a\nCOPY . /app", many)).toEqual([]);
});
