import { describe, expect, test } from "vitest";
import { checkDockerfile } from "../../../../src/stack/services/dockerfile-check.ts";

const entries = ["Dockerfile", "app", "app/main.js", "package.json", "package-lock.json", "shared"];

/** Dockerfile, what is built, and what is wrong with it. */
const cases: readonly (readonly [
  string,
  { target?: string; args?: Record<string, string> },
  readonly string[],
])[] = [
  ["FROM a\nCOPY . /x", {}, []],
  ["FROM a\nCOPY app/ package*.json ./", {}, []],
  ["FROM a\nCOPY missing.txt /x", {}, ["2 copies missing.txt, which is not in the context"]],
  [
    "FROM a\nRUN true\nADD app/other.js \\\n  package.json /x/",
    {},
    ["3 copies app/other.js, which is not in the context"],
  ],
  ["FROM a\nADD https://example.org/x.tgz /x\nADD git@example.org:a/b.git /y", {}, []],
  ["FROM a\nCOPY <<EOF /etc/x\nhello\nEOF", {}, []],
  ['FROM a\nCOPY ["app", "no such", "/x/"]', {}, ["2 copies no such, which is not in the context"]],
  ["FROM a\nCOPY ./app/../package.json /app/main.js /x/", {}, []],
  ["FROM a\nCOPY --chown=1:1 *.lock /x", {}, ["2 copies *.lock, which is not in the context"]],
  ["FROM a\nCOPY package-loc[kx].json app/m??n.js /x/", {}, []],
  // A link to a folder has nothing below it.
  ["FROM a\nCOPY shared/file /x", {}, []],
  ["FROM a AS base\nCOPY no /x\nFROM b\nCOPY app /x", {}, []],
  [
    "FROM a AS base\nCOPY no /x\nFROM b\nCOPY --from=base /x /y",
    {},
    ["2 copies no, which is not in the context"],
  ],
  ["FROM a AS base\nCOPY no /x\nFROM base", {}, ["2 copies no, which is not in the context"]],
  [
    "FROM a AS base\nCOPY no /x\nFROM b\nRUN --mount=type=bind,from=base,target=/m true",
    {},
    ["2 copies no, which is not in the context"],
  ],
  ["FROM a AS base\nFROM b AS prod\nCOPY no /x", { target: "base" }, []],
  ["FROM a AS Base\nFROM b AS prod", { target: "base" }, []],
  ["FROM a\nFROM b", { target: "1" }, []],
  [
    "FROM a AS build\nFROM b AS production",
    { target: "producton" },
    [
      'no stage "producton" in the Dockerfile; did you mean "production"? (its stages: build, production)',
    ],
  ],
  [
    "FROM a",
    { target: "prod" },
    ['no stage "prod" in the Dockerfile (its stages have no names: FROM … AS NAME)'],
  ],
  ["ARG DIR=app\nFROM a\nARG DIR\nCOPY $DIR/main.js /x", {}, []],
  [
    "FROM a\nARG DIR=no\nCOPY ${DIR}/main.js /x",
    {},
    ["3 copies no/main.js, which is not in the context"],
  ],
  ["FROM a\nARG DIR=no\nCOPY ${DIR}/main.js /x", { args: { DIR: "app" } }, []],
  ["FROM a\nARG DIR\nCOPY $DIR/main.js /x", {}, []],
  ['FROM a\nENV D=app E="no"\nCOPY $D $E /x/', {}, ["3 copies no, which is not in the context"]],
  ["FROM a\nCOPY ${X:-package.json} /x", {}, []],
  ["# only a comment", {}, ["1 there is no FROM in it"]],
];

describe("what a build would fail at", () => {
  test.each(cases)("%j %j", (text, { target, args = {} }, expected) => {
    const found = checkDockerfile(text, entries, {
      args,
      ...(target === undefined ? {} : { target }),
    });
    expect(found.map(({ line, message }) => [line, message].filter(Boolean).join(" "))).toEqual(
      expected,
    );
  });
});
