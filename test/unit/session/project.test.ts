import { describe, expect, test } from "vitest";
import { createContext } from "../../../src/session/context.ts";
import type { CommonOptions } from "../../../src/session/context.ts";
import { confirmOrRefuse } from "../../../src/session/watch-run.ts";
import { twinNameOf } from "../../../src/session/lab-twins.ts";
import { collectResults, destinationOf } from "../../../src/session/project.ts";
import { fitsUnit, unitPatternsOf } from "../../../src/session/stack-units.ts";
import { HostkitError } from "../../../src/errors.ts";
import type { Manifest } from "../../../src/manifest/manifest.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";

function manifestOf(text: string): Manifest {
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems));
  return manifest;
}

describe("destinationOf", () => {
  const manifest = manifestOf(`stack: s
hosts:
  plain: { address: plain.example.org }
  full: { address: "2001:db8::1", user: deploy, port: 2222, identity: keys/id, sudo: true, host_key: "SHA256:${"a".repeat(43)}" }
  bastion: { address: bastion.example.org, user: jump }
  inner: { address: 10.0.0.1, jump: bastion }
  innermost: { address: 10.0.0.2, jump: inner }
  outside: { address: 10.0.0.3, jump: "ops@gate.example.org:2200" }
  direct: { address: 10.0.0.4, jump: none }
`);
  const bastion = { name: "bastion", address: "bastion.example.org", user: "jump" };
  const inner = { name: "inner", address: "10.0.0.1", jump: bastion };
  const cases: readonly (readonly [string, unknown])[] = [
    ["plain", { name: "plain", address: "plain.example.org" }],
    [
      "full",
      {
        ...{ name: "full", address: "2001:db8::1", user: "deploy", port: 2222 },
        ...{
          identity: "/home/bob/stack/keys/id",
          sudo: true,
          hostKey: [`SHA256:${"a".repeat(43)}`],
        },
      },
    ],
    ["inner", inner],
    ["innermost", { name: "innermost", address: "10.0.0.2", jump: inner }],
    [
      "outside",
      {
        ...{ name: "outside", address: "10.0.0.3" },
        jump: {
          name: "ops@gate.example.org:2200",
          address: "gate.example.org",
          user: "ops",
          port: 2200,
        },
      },
    ],
    ["direct", { name: "direct", address: "10.0.0.4", jump: "none" }],
  ];
  test.each(cases)("%s", (name, expected) => {
    const host = manifest.hosts.find((known) => known.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    expect(destinationOf(host, manifest, "/home/bob/stack", "/home/ann")).toEqual(expected);
  });
});

describe("unitPatternsOf", () => {
  const manifest = manifestOf(`stack: s
hosts: { one: { address: one.invalid } }
database: { databases: { d: { owner: o } } }
services: { worker: { apt: worker } }
web: { api: { image: "a/b@sha256:${"0".repeat(64)}", port: 80, health: / } }
`);
  test.each([
    ["worker", ["s-worker.service"]],
    ["api", ["s-api-a*.service", "s-api-b*.service"]],
    ["database", ["postgresql.service", "postgresql@*.service"]],
  ])("%s", (word, expected) => {
    expect(unitPatternsOf(manifest, word)).toEqual(expected);
  });

  test.each(["nobody", "proxy", "", "constructor"])("%j is no service here", (word) => {
    expect(() => unitPatternsOf(manifest, word)).toThrow(HostkitError);
  });

  test.each([
    ["s-api-a*.service", "s-api-a.service", true],
    ["s-api-a*.service", "s-api-a2.service", true],
    ["s-api-a*.service", "s-api-b.service", false],
    ["s-api.service", "s-api.service", true],
    ["s-api.service", "s-api-x.service", false],
    ["ab*ba", "aba", false],
  ])("%s fits %s: %s", (pattern, unit, expected) => {
    expect(fitsUnit(pattern, unit)).toBe(expected);
  });
});

describe("confirmOrRefuse", () => {
  const make = (answer: boolean | undefined, options: CommonOptions = {}) => {
    const terminal = {
      ...process,
      workingDirectory: "/",
      environment: {},
      onInterrupt: () => () => undefined,
    };
    const asked: string[] = [];
    const context = {
      ...createContext("provision", options, terminal),
      prompts: {
        isInteractive: answer !== undefined,
        confirm: (question: string) => {
          asked.push(question);
          return Promise.resolve(answer === true);
        },
        secret: () => Promise.reject(new Error("not asked for")),
      },
    };
    return { context, asked };
  };

  test("--yes asks nothing", async () => {
    const { context, asked } = make(false);
    await confirmOrRefuse(context, "Really?", true);
    expect(asked).toEqual([]);
  });

  test("on a terminal the answer counts", async () => {
    const yes = make(true);
    await confirmOrRefuse(yes.context, "Really?", false);
    expect(yes.asked).toEqual(["Really?"]);
    await expect(confirmOrRefuse(make(false).context, "Really?", false)).rejects.toMatchObject({
      code: "run_interrupted",
    });
  });

  test.each([
    ["without a terminal", undefined, {}],
    ["with --json", true, { json: true }],
  ] as const)("%s nothing is asked and nothing is done", async (_name, answer, options) => {
    const { context, asked } = make(answer, options);
    await expect(confirmOrRefuse(context, "Really?", false)).rejects.toMatchObject({
      code: "usage",
      exitCode: 64,
    });
    expect(asked).toEqual([]);
  });
});

describe("collectResults", () => {
  const hosts = [{ name: "one" }, { name: "two" }, { name: "three" }];
  const failure = (reason: unknown): PromiseSettledResult<number> => ({
    status: "rejected",
    reason,
  });
  const value = (number: number): PromiseSettledResult<number> => ({
    status: "fulfilled",
    value: number,
  });

  test("gives all values in order", () => {
    expect(collectResults(hosts, [value(1), value(2), value(3)])).toEqual([1, 2, 3]);
  });

  test("one failure is passed on as it is", () => {
    const error = new HostkitError("disk_full", { what: "full" });
    expect(() => collectResults(hosts, [value(1), failure(error), value(3)])).toThrow(error);
  });

  test("of several the first speaks, and names the others and its own host", () => {
    const first = new HostkitError("disk_full", { what: "full", details: ["x"] });
    const second = new HostkitError("host_unreachable", { what: "gone" });
    expect(() => collectResults(hosts, [value(1), failure(first), failure(second)])).toThrow(
      expect.objectContaining({
        code: "disk_full",
        parts: { what: "full", where: "two", details: ["x", "also three: gone"] },
      }),
    );
  });
});

test.each([
  ["dxcluster", "dx1", "dxcluster-dx1"],
  ["shop", "Web_1", "shop-web-1"],
  ["a-very-long-stack-name", "and-a-long-host", "a-very-long-stack-name-and-a-lo"],
])("the twin of %s/%s is %s", (stack, host, expected) => {
  expect(twinNameOf(stack, host)).toBe(expected);
});
