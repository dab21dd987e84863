import { describe, expect, test } from "vitest";
import { takeEntries } from "../../../../src/stack/services/dockerfile-context.ts";
import {
  identityOf,
  readStages,
  renameImages,
} from "../../../../src/stack/services/dockerfile-stages.ts";

const entries = [
  "Dockerfile",
  "api",
  "api/lib",
  "api/lib/x.js",
  "api/main.js",
  "link",
  "package.json",
  "package-lock.json",
  "web",
  "web/index.html",
  "web/link",
];
const links = new Set(["link", "web/link"]);

/** Dockerfile, target, and what is taken; null: the whole context. */
const cases: readonly (readonly [string, string | undefined, readonly string[] | null])[] = [
  ["FROM a\nCOPY api/main.js /x", undefined, ["api", "api/main.js"]],
  ["FROM a\nCOPY api /x", undefined, ["api", "api/lib", "api/lib/x.js", "api/main.js"]],
  ["FROM a\nCOPY ./api/ /x", undefined, ["api", "api/lib", "api/lib/x.js", "api/main.js"]],
  ["FROM a\nCOPY package*.json /x", undefined, ["package.json", "package-lock.json"]],
  ["FROM a\nCOPY api/*/x.js /x", undefined, ["api", "api/lib", "api/lib/x.js"]],
  ["FROM a\nADD package.json https://x.org/y /x/", undefined, ["package.json"]],
  ["FROM a\nCOPY . /x", undefined, null],
  ["FROM a\nCOPY / /x", undefined, null],
  ["FROM a\nCOPY api/../ /x", undefined, null],
  [
    "FROM a\nCOPY web package.json /x/",
    undefined,
    ["package.json", "web", "web/index.html", "web/link"],
  ],
  // Links that are named are followed, to wherever.
  ["FROM a\nCOPY link /x", undefined, null],
  ["FROM a\nCOPY web/link /x", undefined, null],
  ["FROM a\nCOPY web/l* /x", undefined, null],
  ["FROM a\nCOPY link/below /x", undefined, null],
  // What only the build knows.
  ["FROM a\nCOPY $WHAT /x", undefined, null],
  ["FROM a\nARG TARGETARCH\nCOPY api-$TARGETARCH package.json /x/", undefined, null],
  ["ARG D=api\nFROM a\nARG D\nCOPY $D/main.js /x", undefined, ["api", "api/main.js"]],
  ["ARG BASE\nFROM $BASE\nCOPY package.json /x", undefined, null],
  ["FROM a\nCOPY a\\ b package.json /x/", undefined, null],
  ["FROM node:onbuild\nCOPY package.json /x", undefined, null],
  ["FROM a\nCMD x", undefined, null],
  ["FROM a\nONBUILD COPY . /x\nCOPY package.json /y", undefined, null],
  ["FROM a\nONBUILD COPY package.json /x", undefined, ["package.json"]],
  ["FROM a\nRUN --mount=type=bind,source=package.json,target=/p true", undefined, ["package.json"]],
  ["FROM a\nRUN --mount=target=/p true", undefined, null],
  [
    "FROM a\nRUN --mount=type=cache,target=/p true\nCOPY package.json /x",
    undefined,
    ["package.json"],
  ],
  ["FROM a\nCOPY <<EOF package.json /x/\nCOPY . /\nEOF", undefined, ["package.json"]],
  // Of the stages only those that the target goes through.
  ["FROM a AS one\nCOPY api /x\nFROM b AS two\nCOPY package.json /x", "two", ["package.json"]],
  ["FROM a AS one\nCOPY . /x\nFROM b AS two\nCOPY package.json /x", "two", ["package.json"]],
  [
    "FROM a AS one\nCOPY api/main.js /x\nFROM b\nCOPY --from=one /x /y\nCOPY package.json /x",
    undefined,
    ["api", "api/main.js", "package.json"],
  ],
  ["FROM a\nCOPY --from=b /x /y\nCOPY package.json /", undefined, ["package.json"]],
  ["FROM a\nCOPY nothing.txt /x", undefined, []],
];

test.each(cases)("%j %s", (text, target, expected) => {
  const taken = takeEntries(readStages(text, {}), { entries, links }, target);
  expect(taken === undefined ? null : taken.toSorted()).toEqual(
    expected === null ? null : expected.toSorted(),
  );
});

describe("what an image's identity has of the Dockerfile", () => {
  const before = "# check=skip=all\nARG V=1\nFROM a AS one\nRUN 1\nFROM a AS two\nRUN <<E\n2\nE\n";
  const identity = (text: string, target?: string): string =>
    identityOf(readStages(text, {}), target);

  test.each([
    ["RUN 1", "RUN 3", "one", true],
    ["RUN 1", "RUN 3", "two", false],
    ["\n2\n", "\n3\n", "two", true],
    ["\n2\n", "\n3\n", "one", false],
    ["V=1", "V=2", "one", true],
    ["skip=all", "skip=x", "one", true],
    ["FROM a AS two", "FROM one AS two", "two", true],
  ])("%j → %j, target %s: %s", (from, to, target, isChanged) => {
    expect(identity(before.replace(from, to), target) !== identity(before, target)).toBe(isChanged);
  });

  test("a stage that cannot be told makes every stage before count", () => {
    const text = "ARG B\nFROM a AS one\nRUN 1\nFROM $B AS two";
    expect(identity(text.replace("RUN 1", "RUN 2"), "two")).not.toBe(identity(text, "two"));
  });
});

test.each([
  ["FROM base", "FROM NEW"],
  [
    "FROM --platform=$BUILDPLATFORM base AS b\nRUN true",
    "FROM --platform=$BUILDPLATFORM NEW AS b\nRUN true",
  ],
  ["ARG B=base\nFROM $B", "ARG B=base\nFROM NEW"],
  [
    "FROM a AS base\nFROM base\nCOPY --from=base /x /y",
    "FROM a AS base\nFROM base\nCOPY --from=base /x /y",
  ],
  [
    "FROM a\nCOPY --chown=1 --from=base /base /base",
    "FROM a\nCOPY --chown=1 --from=NEW /base /base",
  ],
  [
    "FROM a\r\nRUN --mount=type=bind,from=base,target=/b \\\r\n  --mount=from=base,target=/c cp /b/base /",
    "FROM a\r\nRUN --mount=type=bind,from=NEW,target=/b \\\r\n  --mount=from=NEW,target=/c cp /b/base /",
  ],
  ["FROM a\nRUN <<EOF\nFROM base\nEOF", "FROM a\nRUN <<EOF\nFROM base\nEOF"],
  ["FROM a\nONBUILD COPY --from=base / /", "FROM a\nONBUILD COPY --from=NEW / /"],
])("a base image under another name: %j", (text, expected) => {
  expect(renameImages(readStages(text, {}), (name) => (name === "base" ? "NEW" : undefined))).toBe(
    expected,
  );
});
