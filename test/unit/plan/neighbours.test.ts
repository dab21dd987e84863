import { describe, expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { neighbourFacts } from "../../../src/facts/neighbours.ts";
import type { Claim, Neighbour } from "../../../src/facts/neighbours.ts";
import { hashText } from "../../../src/facts/files/hash.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { makeRemovalPlan } from "../../../src/plan/removals.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { parseState } from "../../../src/plan/state.ts";
import { claimsOf } from "../../../src/resources/claims.ts";
import { file } from "../../../src/resources/files/file.ts";
import type { Resource } from "../../../src/resources/resource.ts";

const stackDirectory = "/var/lib/hostkit/mine";
const path = "/etc/issue";
const issue = (text: string, shared?: "said" | "default") =>
  file(path, text, shared === undefined ? {} : { shared });

function claim(value: string, isDefault?: true): Claim {
  return { thing: `file:${path}`, mode: "same", value, ...(isDefault ? { isDefault } : {}) };
}

function factsOf(neighbours: readonly Neighbour[], standing?: string, state = ""): Facts {
  return Facts.of(
    [neighbourFacts, { [stackDirectory]: neighbours }],
    [
      fileFacts,
      standing === undefined
        ? {}
        : {
            [path]: {
              type: "file",
              mode: "0644",
              owner: "root",
              group: "root",
              size: standing.length,
              sha256: hashText(standing),
            },
          },
    ],
    [
      textFacts,
      {
        ...(standing === undefined ? {} : { [path]: standing }),
        [`${stackDirectory}/state.jsonl`]: state,
      },
    ],
  );
}

function plan(resources: readonly Resource[], facts: Facts, claims: readonly Claim[] = []): Plan {
  const all = [claimsOf(stackDirectory, claims), ...resources];
  return makePlan({ host: "h", stack: "mine", stackDirectory, resources: all, facts });
}

const other = (claims: readonly Claim[]): Neighbour => ({ stack: "theirs", claims });

describe("a plan beside another stack", () => {
  test.each([
    ["alone beside alone", { mode: "alone" }, { mode: "alone" }, "stack theirs has it"],
    ["alone beside together", { mode: "alone" }, { mode: "together" }, "stack theirs has it"],
    ["together beside alone", { mode: "together" }, { mode: "alone" }, "stack theirs has it"],
    ["each its part", { mode: "together" }, { mode: "together" }, undefined],
    ["the same", { mode: "same", value: "1" }, { mode: "same", value: "1" }, undefined],
    [
      "two that were written",
      { mode: "same", value: "1" },
      { mode: "same", value: "2" },
      "stack theirs has set it to 2, this one wants 1",
    ],
    [
      "a default gives way",
      { mode: "same", value: "1", isDefault: true },
      { mode: "same", value: "2" },
      undefined,
    ],
    [
      "what is written wins over a default",
      { mode: "same", value: "1" },
      { mode: "same", value: "2", isDefault: true },
      undefined,
    ],
  ] as const)("%s", (_name, ours, theirs, expected) => {
    const thing = "sysctl:vm.swappiness";
    const facts = factsOf([other([{ thing, ...theirs }])]);
    const details = plan([], facts, [{ thing, ...ours }]).refusals?.flatMap((one) => one.details);
    expect(details).toEqual(
      expected === undefined ? undefined : [`kernel setting vm.swappiness: ${expected}`],
    );
  });

  test("all that clashes is said at once", () => {
    const claims: Claim[] = ["site:a.example.org", "port:7300/tcp"].map((thing) => ({
      thing,
      mode: "alone",
    }));
    expect(plan([], factsOf([other(claims)]), claims).refusals?.[0]?.details).toEqual([
      "site a.example.org: stack theirs has it",
      "port 7300/tcp: stack theirs has it",
    ]);
  });

  test("a stack of an older hostkit has to say first what it shares", () => {
    const thing = "caddy:/etc/caddy/Caddyfile";
    const claims: Claim[] = [{ thing, mode: "together" }];
    const old: Neighbour = { stack: "theirs", isOld: true, claims };
    const [refusal] = plan([], factsOf([old]), claims).refusals ?? [];
    expect(refusal?.details?.[0]).toContain("stack theirs has it, left over or from a hostkit");
    expect(refusal?.next).toContain("provision the other stack once");
  });

  test("what is only a default is left as another stack's manifest has it, whatever stands there", () => {
    const facts = factsOf([other([claim("theirs\n")])], "anything\n");
    const [claiming, ...rest] = plan([issue("mine\n", "default")], facts).changes;
    expect(claiming?.id).toBe("claims:host");
    expect(rest).toEqual([]);
    // It is this stack's to take away where it is the last one.
    expect([...parseState(claiming?.stateLine ?? "").keys()]).toContain(`file:${path}`);
  });

  test("what is there already becomes this stack's too, with the claim", () => {
    const facts = factsOf([other([claim("same\n", true)])], "same\n");
    const [claiming, ...rest] = plan([issue("same\n", "default")], facts).changes;
    expect(rest).toEqual([]);
    const owned = parseState(claiming?.stateLine ?? "");
    expect([...owned.keys()]).toEqual(["claims:host", `file:${path}`]);
  });

  test("a copy of what another stack's hostkit wrote is no copy of what was there before", () => {
    const facts = factsOf([other([claim("old\n", true)])], "old\n");
    const change = plan([issue("new\n", "said")], facts).changes.find(({ id }) =>
      id.startsWith("file:"),
    );
    expect(change?.steps[0]).not.toHaveProperty("preimage");
  });
});

describe("a removal beside another stack", () => {
  const state = `${JSON.stringify({ kind: "file", name: path, path })}\n`;
  const remove = (neighbours: readonly Neighbour[], standing: string) =>
    makeRemovalPlan({
      host: "h",
      stack: "mine",
      stackDirectory,
      resources: [],
      facts: factsOf(neighbours, standing, state),
      deleteData: false,
    }).changes[0];

  test("what both have stays, and the copy of what was there before goes to the other", () => {
    const change = remove([other([claim("same\n", true)])], "same\n");
    expect(change?.because).toBe("stack theirs has it too");
    expect(change?.steps).toHaveLength(1);
    expect(JSON.stringify(change?.steps)).toContain("/var/lib/hostkit/theirs/preimages/");
    expect(JSON.stringify(change?.steps)).not.toContain("hk_give_back");
    expect(parseState(state + (change?.stateLine ?? "")).size).toBe(0);
  });

  test("what only this stack's manifest wanted goes back to what the other one has", () => {
    const change = remove([other([claim("theirs\n", true)])], "mine\n");
    expect(change?.steps[1]).toMatchObject({ type: "put", path, content: { text: "theirs\n" } });
  });

  test("without another stack it goes", () => {
    expect(JSON.stringify(remove([], "mine\n")?.steps)).toContain("hk_give_back");
  });
});

describe("a firewall that one stack has", () => {
  const table: Claim = { thing: "nftables:inet hostkit", mode: "together" };
  const open: Claim = { thing: "open:7000-7010/tcp", mode: "together" };
  const publishes = (port: number): Claim => ({
    thing: `port:${port}/tcp`,
    mode: "alone",
    value: "outside",
  });
  test.each([
    [
      "shuts what this one publishes",
      [publishes(80)],
      [table, open],
      ["stack mine publishes 80/tcp"],
    ],
    ["lets in what it opens", [publishes(7005)], [table, open], undefined],
    [
      "would shut what the other publishes",
      [table],
      [publishes(80)],
      ["stack theirs publishes 80/tcp"],
    ],
    ["that opens it for the other", [table, open], [publishes(7000)], undefined],
    ["and the other one too", [table], [table, publishes(80)], undefined],
    ["and none has", [publishes(80)], [publishes(81)], undefined],
  ] as const)("%s", (_name, ours, theirs, expected) => {
    const [refusal] = plan([], factsOf([other(theirs)]), ours).refusals ?? [];
    expect(refusal?.details).toEqual(expected);
  });
});
