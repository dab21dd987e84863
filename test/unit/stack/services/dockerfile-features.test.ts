import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  keepsSyntax,
  needsPlugin,
  refuseBuild,
} from "../../../../src/resources/containers/builder.ts";
import {
  listAskedSecrets,
  listFeatures,
} from "../../../../src/stack/services/dockerfile-features.ts";
import { readStages } from "../../../../src/stack/services/dockerfile-stages.ts";
import { readSyntax, withoutSyntax } from "../../../../src/stack/services/dockerfile-syntax.ts";

interface FeatureCase {
  readonly about: string;
  readonly text: string;
  readonly target?: string;
  readonly features: readonly string[];
  readonly engines: Readonly<Record<string, string>>;
}

const file = new URL("../../../cases/dockerfiles/features.yaml", import.meta.url);
const cases = parse(readFileSync(file, "utf8")) as readonly FeatureCase[];

describe("what a Dockerfile asks of its builder", () => {
  test.each(cases)("$about", ({ text, target, features: expected, engines }) => {
    const features = listFeatures(readStages(text, {}), target);
    expect(features.map(({ line, what }) => `${line} ${what}`)).toEqual(expected);
    const syntax = readSyntax(text);
    const wish = { file: "api/Dockerfile", features, ...(syntax === undefined ? {} : { syntax }) };
    const seen = Object.keys(engines).map((engine) => {
      const refusal = refuseBuild(wish, { engine, hasPlugin: true });
      const fetches = syntax !== undefined && keepsSyntax(wish, engine);
      return [engine, refusal?.what ?? (fetches ? "fetches" : "builds")];
    });
    expect(Object.fromEntries(seen)).toEqual(engines);
  });

  test("the plugin is missed where the client builds by nothing else", () => {
    const wish = { file: "f", features: [] };
    expect(refuseBuild(wish, { engine: "20.10.24+dfsg1", hasPlugin: false })).toBeUndefined();
    expect(refuseBuild(wish, { engine: "28.1.1", hasPlugin: false })?.next).toContain(
      "docker-buildx-plugin",
    );
    expect(["20.10.24", "23.0.0", "26.1.5+dfsg1"].map(needsPlugin)).toEqual([false, true, true]);
  });

  test("a refusal says what to do instead, or which line fetches it", () => {
    const features = listFeatures(readStages("FROM a\nCOPY --parents a b\nRUN <<X\nX", {}));
    const refusal = refuseBuild({ file: "f", features }, { engine: "20.10", hasPlugin: false });
    expect(refusal?.next).toBe(
      "COPY each folder to its own place; or write `# syntax=docker/dockerfile:1.20` as the Dockerfile's first line, and the host fetches that builder from Docker's registry",
    );
    expect(refusal?.details).toEqual(["f:2 COPY --parents: since 1.20", "f:3 RUN <<…: since 1.4"]);
  });
});

describe("the # syntax= line", () => {
  test.each([
    ["FROM a", undefined],
    ["# syntax=docker/dockerfile:1\nFROM a", { kind: "docker", isLabs: false }],
    [
      "#syntax = docker.io/docker/dockerfile:1.7.1-labs",
      { kind: "docker", version: 7, isLabs: true },
    ],
    ["\uFEFF# SYNTAX=docker/dockerfile", { kind: "docker", isLabs: false }],
    ["# syntax=docker/dockerfile:labs", { kind: "docker", isLabs: true }],
    ["# syntax=docker/dockerfile:master", { kind: "own", image: "docker/dockerfile:master" }],
    [
      "# syntax=docker/dockerfile-upstream:1",
      { kind: "own", image: "docker/dockerfile-upstream:1" },
    ],
    ["# syntax=acme/dockerfile:1", { kind: "own", image: "acme/dockerfile:1" }],
    ["#!/usr/bin/env docker\n# syntax=acme/f", { kind: "own", image: "acme/f" }],
    ["// syntax=acme/f\nbuild()", { kind: "own", image: "acme/f" }],
    ['{"syntax": "acme/f"}', { kind: "own", image: "acme/f" }],
    // A comment, an instruction or an empty line before it: it is a comment itself.
    ["# my image\n# syntax=docker/dockerfile:1\nFROM a", undefined],
    ["\n# syntax=docker/dockerfile:1\nFROM a", undefined],
    ["FROM a\n# syntax=docker/dockerfile:1", undefined],
  ])("%j", (text, expected) => {
    if (expected === undefined) expect(readSyntax(text)).toBeUndefined();
    else expect(readSyntax(text)).toMatchObject(expected);
  });

  test.each([
    ["# syntax=a\nFROM b\n", "#\nFROM b\n"],
    // What stands behind it is still a directive, and every line keeps its number.
    ["# syntax=a\n# escape=`\n# check=skip=all\nFROM b", "# escape=`\n# check=skip=all\n#\nFROM b"],
    ["# escape=`\r\n# syntax=a\r\nFROM b", "# escape=`\n#\nFROM b"],
    ["# a\n# syntax=b\nFROM c", "# a\n# syntax=b\nFROM c"],
  ])("%j without it", (text, expected) => {
    expect(withoutSyntax(text)).toBe(expected);
  });
});

test("secrets and keys that a build asks for", () => {
  const text = `FROM a AS other
RUN --mount=type=secret,id=UNSEEN true
FROM a
RUN --mount=type=secret,id=A --mount=type=secret,target=/x/B,required=true true
RUN --mount=type=ssh git clone x
ONBUILD RUN --mount=type=secret,id=C,required true`;
  expect(
    listAskedSecrets(readStages(text, {})).map(
      ({ line, type, id, isRequired }) => `${line} ${type} ${id}${isRequired ? " required" : ""}`,
    ),
  ).toEqual(["4 secret A", "4 secret B required", "5 ssh default", "6 secret C required"]);
});
