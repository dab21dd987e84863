import { beforeAll, describe, expect, test } from "vitest";
import { Facts } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { readTemplates } from "../../../src/local/templates.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import type { Manifest } from "../../../src/manifest/schema.ts";
import { makeBundle } from "../../../src/plan/bundle.ts";
import { findLeft, settlingPlan } from "../../../src/plan/guards.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { narrowManifest, scopeOfServices } from "../../../src/plan/scope.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { renderPlan } from "../../../src/report/plan.ts";
import { makeColors } from "../../../src/report/colors.ts";
import type { CaddyResource } from "../../../src/resources/proxy/caddy.ts";
import type { ReleaseResource } from "../../../src/resources/containers/slots.ts";
import type { NftablesResource } from "../../../src/resources/system/nftables.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { file } from "../../../src/resources/files/file.ts";
import { unit } from "../../../src/resources/units/unit.ts";
import { resolveAny } from "../../harness/any-manifest.ts";

const yaml = `stack: shop
hosts: { h: 192.0.2.1 }
database: { databases: { shop: { owner: shop_owner } } }
services:
  worker: { exec: /bin/true }
  feed: { image: "example.org/feed@sha256:${"0".repeat(64)}", ports: [7300] }
web:
  api: { image: "example.org/api@sha256:${"0".repeat(64)}", port: 8000, database: shop }
  page: { image: "example.org/page@sha256:${"0".repeat(64)}", port: 8000 }
proxy:
  sites:
    shop.example.org: { tls: internal, routes: { "/api/*": api, "/*": page } }
    api.example.org: { tls: internal, routes: { "/*": api } }
firewall: { allow: [ssh, http, https, 7300, 9000] }
`;

let manifest: Manifest;
let resources: readonly Resource[];
beforeAll(async () => {
  const read = parseManifest(yaml, "hostkit.yaml").manifest;
  if (read === undefined) throw new Error("the manifest is wrong");
  manifest = read;
  const system = { distribution: "debian", version: "13" };
  resources = resolveAny(manifest, system, await readTemplates());
});

const stackDirectory = "/var/lib/hostkit/shop";

function plan(only: readonly string[], texts: Readonly<Record<string, string>> = {}): Plan {
  return makePlan({
    ...{ host: "h", stack: "shop", stackDirectory, resources },
    facts: Facts.of([textFacts, texts]),
    scope: scopeOfServices(manifest, only),
  });
}

const idsOf = ({ changes }: Plan): string[] => changes.map(({ id }) => id);

function find<R extends Resource>(kind: string, name?: string): R {
  const found = resources.find((one) => one.kind === kind && (name ?? one.name) === one.name);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found as R;
}

/** As if these had been released once, with another image. */
function released(...services: string[]): Record<string, string> {
  return Object.fromEntries(
    services.map((name) => [
      find<ReleaseResource>("release", name).upstreamPath,
      "# hostkit: slot a, release 0123456789ab, image old:1\n",
    ]),
  );
}

describe("what a scope of services holds", () => {
  test("what a native program needs, and nothing of the others", () => {
    const ids = idsOf(plan(["worker"]));
    expect(ids).toContain("unit:shop-worker.service");
    expect(ids).toContain("packages:apt");
    expect(ids).toContain("target:shop.target");
    expect(
      ids.filter((id) => /^(?:release|postgres-|caddy|nftables|sshd|sysctl):/.test(id)),
    ).toEqual([]);
  });

  test("the database of a service, said why; the proxy waits for what is outside and not there yet", () => {
    const scoped = plan(["api"]);
    const ids = idsOf(scoped);
    expect(ids).toContain("postgres-grants:shop");
    expect(ids).toContain("release:api");
    expect(ids).not.toContain("release:page");
    expect(ids.filter((id) => id.includes("caddy"))).toEqual([]);
    expect(scoped.part?.left.map(({ id }) => id)).toEqual(["unit:caddy.service"]);
    const because = new Map(scoped.changes.map((one) => [one.id, one.inScopeBecause]));
    expect(because.get("packages:apt")).toBe("needed by api");
    expect(because.get("release:api")).toBeUndefined();
    expect(because.get("nftables:inet hostkit")).toBe("api has a part in it");
  });

  test("the proxy, where a site of the service is another and its other services are there", () => {
    expect(idsOf(plan(["api"], released("page")))).toContain("unit:caddy.service");
    const { sites } = find<CaddyResource>("caddy");
    const path = "/etc/caddy/hostkit/sites/shop.caddy";
    const same = { ...released("page"), [path]: sites };
    expect(idsOf(plan(["api"], same)).filter((id) => id.includes("caddy"))).toEqual([]);
    const other = { ...released("page"), [path]: sites.replace("api.example.org {", "b.org {") };
    expect(idsOf(plan(["api"], other))).toContain("caddy:/etc/caddy/Caddyfile");
    expect(idsOf(plan(["page"], { ...other, ...released("api") }))).not.toContain(
      "caddy:/etc/caddy/Caddyfile",
    );
  });

  test("the firewall, where a port of the service is not open yet", () => {
    const { part } = find<NftablesResource>("nftables");
    const without = (port: string) =>
      part.rules
        .split(/(?<=\n)/)
        .filter((line) => !line.includes(port))
        .join("");
    const has = (port: string) =>
      idsOf(plan(["feed"], { [part.path]: without(port) })).some((id) =>
        id.startsWith("nftables:"),
      );
    expect(has("7300")).toBe(true);
    expect(has("9000")).toBe(false);
  });

  test("a name that nobody has is refused; several come with commas or again", () => {
    expect(() => scopeOfServices(manifest, ["api,workr"])).toThrow(/no service "workr".*worker/);
    expect(scopeOfServices(manifest, ["page,api", "worker"]).label).toBe("--only worker,api,page");
  });
});

test("of a manifest it answers for its services, their sites and the ports of both", () => {
  const narrowed = narrowManifest(manifest, { services: ["feed"], left: [] });
  expect(narrowed.proxy?.sites).toEqual([]);
  expect(narrowed.firewall?.allow.map(({ port }) => port)).toEqual([7300]);
  expect(narrowManifest(manifest, { services: ["api"], left: [] }).proxy?.sites).toHaveLength(2);
});

describe("what is outside", () => {
  const watched = file("/etc/shared.conf", "x");
  const small = [
    watched,
    unit("one.service", stackDirectory, { after: ["file:/etc/shared.conf"] }),
    unit("two.service", stackDirectory, { watches: ["file:/etc/shared.conf"] }),
  ];
  const running = { activeState: "active", unitFileState: "enabled", loadState: "loaded" };
  const look = (unfinished = "") =>
    makePlan({
      ...{ host: "h", stack: "shop", stackDirectory, resources: small },
      facts: Facts.of(
        [textFacts, { [`${stackDirectory}/unfinished`]: unfinished }],
        [fileFacts, {}],
        [{ name: "unit" } as never, { "one.service": running, "two.service": running }],
      ),
      scope: {
        label: "--only one",
        services: ["one"],
        roots: new Map([["one", "unit:one.service"]]),
        others: ["unit:two.service"],
      },
    });
  const programs = { runner: "", paths: "", guard: "", records: "", restore: "" };

  test("becomes due where nobody would see any more that it is needed", () => {
    const scoped = look();
    expect(idsOf(scoped)).toEqual(["file:/etc/shared.conf"]);
    expect(scoped.changes[0]?.beginLines).toContain("due unit:two.service\n");
    const bundle = makeBundle(scoped, { runId: "r", holder: "", parallel: 1, programs });
    expect(bundle.find(({ path }) => path === "still-due")?.content).toEqual({
      text: "due unit:two.service\n",
    });
  });

  test("keeps its marks, and no run for a part takes them away", () => {
    const scoped = look("due unit:two.service\n");
    expect(scoped.part?.due).toEqual(["unit:two.service"]);
    const nothing: Plan = { ...scoped, changes: [] };
    expect(findLeft(nothing, Facts.of())).toEqual({ guard: false, marks: false });
    expect(settlingPlan(nothing)).toMatchObject({ stateHash: "any" });
  });

  test("is counted in one line, when there is something", () => {
    const style = {
      colors: makeColors({ isTTY: false }, {}, false),
      verbose: false,
    };
    const shown = (waiting: { changes: number; removals: number }) => {
      const scoped = look();
      if (scoped.part === undefined) throw new Error("no part");
      return renderPlan(
        { plan: { ...scoped, part: { ...scoped.part, waiting } }, system: "" },
        style,
      );
    };
    expect(shown({ changes: 2, removals: 1 })).toContain(
      "outside --only one: 2 changes and 1 removal wait (only a run without --only removes anything)",
    );
    expect(shown({ changes: 1, removals: 0 })).toContain("outside --only one: 1 change waits");
    expect(shown({ changes: 0, removals: 0 })).not.toContain("outside");
  });
});
