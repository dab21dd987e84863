import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import type { FileFact } from "../../../src/facts/files/file.ts";
import { hashText } from "../../../src/facts/files/hash.ts";
import { claimsPath, parseClaims } from "../../../src/facts/neighbours.ts";
import { readTemplates } from "../../../src/local/templates.ts";
import { makePlan } from "../../../src/plan/plan.ts";
import { scopeOfServices } from "../../../src/plan/scope.ts";
import type { Scope } from "../../../src/plan/scope.ts";
import { beginLine, ownLine, parseState, statePath } from "../../../src/plan/state.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { dueLines, parseUnfinished, unfinishedPath } from "../../../src/plan/unfinished.ts";
import { claimsId } from "../../../src/resources/claims.ts";
import type { ReleaseResource } from "../../../src/resources/containers/slots.ts";
import { kindOf } from "../../../src/resources/kinds.ts";
import { idOf } from "../../../src/resources/resource.ts";
import type { Resource, ResourceId } from "../../../src/resources/resource.ts";
import { stackDirectoryOf } from "../../../src/stack/names.ts";
import { anyManifest, readAny, resolveAny, systems } from "../../harness/any-manifest.ts";

/**
 * For whatever manifest, host and scope: what a scoped plan does is what the whole plan does, with all that it needs, and nothing that
 * is wanted is taken away.
 */

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

const runs = Number(process.env["HOSTKIT_FUZZ"] ?? 40);

interface Case {
  readonly whole: Plan;
  readonly resources: readonly Resource[];
  readonly make: (scope: Scope) => Plan;
  readonly scope: Scope;
  readonly state: string;
  readonly unfinished: ReadonlySet<ResourceId>;
  readonly claims: string;
}

/** Of a list, as a repeatable coin says. */
type Pick = <T>(values: readonly T[], rate: number) => T[];

/** A host on which some of it is as it should be, some is not, some was begun, and some is no longer wanted. */
function makeFacts(stack: string, resources: readonly Resource[], pick: Pick) {
  const stackDirectory = stackDirectoryOf(stack);
  const files: Record<string, FileFact> = {};
  const texts: Record<string, string> = {};
  const put = (path: string, text: string, mode = "0644"): void => {
    texts[path] = text;
    files[path] = {
      ...{ type: "file", mode, owner: "root", group: "root" },
      size: text.length,
      sha256: hashText(text),
    };
  };
  for (const need of pick(
    resources.flatMap((resource) => kindOf(resource).needs(resource)),
    0.6,
  ))
    if (need.source === textFacts && need.guess !== undefined) put(need.subject, need.guess);
  for (const release of pick(resources, 0.6).filter(
    (resource): resource is ReleaseResource => resource.kind === "release",
  ))
    put(
      release.upstreamPath,
      pick([0], 0.5).length > 0
        ? release.slots.b.upstream
        : "# hostkit: slot a, release 0123456789ab, image old:1\n",
    );
  const owned = pick(resources, 0.7).flatMap((resource) => kindOf(resource).own(resource) ?? []);
  const gone = { kind: "file", name: "/etc/gone", path: "/etc/gone" };
  if (pick([0], 0.5).length > 0) {
    owned.push(gone);
    put(gone.path, "gone");
  }
  const state = owned
    .map((entry) => (pick([0], 0.2).length > 0 ? beginLine(entry, "new") : ownLine(entry)))
    .join("");
  const due = dueLines(pick(resources, 0.2).map(idOf));
  const claims = pick([0], 0.5).length > 0 ? '{"thing":"port:9/tcp","mode":"alone"}\n' : "";
  texts[statePath(stackDirectory)] = state;
  texts[unfinishedPath(stackDirectory)] = due;
  put(claimsPath(stackDirectory), claims, "0600");
  return {
    state,
    claims,
    unfinished: parseUnfinished(due),
    facts: Facts.of([fileFacts, files], [textFacts, texts]),
  };
}

const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 7,
  maxLength: 97,
});

const cases = fc
  .tuple(anyManifest, fc.constantFrom(...systems), chances)
  .map(([written, system, coins]): Case | undefined => {
    const manifest = readAny(written)?.manifest;
    if (manifest === undefined) return undefined;
    const { stack } = manifest;
    let at = 0;
    const pick: Pick = (values, rate) =>
      values.filter(() => (coins[at++ % coins.length] ?? 0) < rate);
    const names = [...manifest.services, ...manifest.web].map(({ name }) => name);
    const meant = [...new Set([...names.slice(0, 1), ...pick(names, 0.3)])];
    if (names.length === 0) return undefined;
    try {
      const resources = resolveAny(manifest, system, templates);
      const { facts, ...host } = makeFacts(stack, resources, pick);
      const input = {
        ...{ host: "h", stack, resources, facts },
        stackDirectory: stackDirectoryOf(stack),
      };
      return {
        ...{ resources, ...host },
        whole: makePlan(input),
        make: (scope) => makePlan({ ...input, scope }),
        scope: scopeOfServices(manifest, meant),
      };
    } catch (error) {
      // Not for this system: no plan of any kind.
      if (error instanceof HostkitError) return undefined;
      throw error;
    }
  });

/** What a resource cannot do without, and what that cannot do without. */
function closeHard(resources: readonly Resource[], root: ResourceId): Set<ResourceId> {
  const byId = new Map(resources.map((resource) => [idOf(resource), resource]));
  const seen = new Set<ResourceId>();
  const visit = (id: ResourceId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const { after = [], behind = [], joins = [] } = byId.get(id) ?? {};
    for (const before of after)
      if (!behind.includes(before) && !joins.includes(before)) visit(before);
  };
  visit(root);
  return seen;
}

/** Tries the property with many; fails where too few manifests can be planned. */
function forAny(property: (one: Case) => void): void {
  let seen = 0;
  fc.assert(
    fc.property(cases, (one) => {
      if (one === undefined) return;
      seen += 1;
      property(one);
    }),
    { numRuns: runs },
  );
  if (seen <= runs / 10) throw new Error(`only ${seen} of ${runs} manifests could be planned`);
}

describe("for any manifest and any scope", () => {
  test(
    "its steps are a subset of the whole plan's, and in no other order",
    { timeout: 600_000 },
    () => {
      forAny((one) => {
        const { whole, scope, make } = one;
        const byId = new Map(whole.changes.map((change) => [change.id, change]));
        const scoped = make(scope).changes;
        const ids = new Set(scoped.map(({ id }) => id));
        for (const change of scoped) {
          const same = byId.get(change.id);
          expect(same, change.id).toBeDefined();
          // What the stack has on the host is written down for what is there, not for what waits.
          if (change.id !== claimsId)
            expect([change.action, change.because, change.steps]).toEqual([
              same?.action,
              same?.because,
              same?.steps,
            ]);
          for (const before of change.waitsFor) expect(ids).toContain(before);
        }
        const order = whole.changes.map(({ id }) => id).filter((id) => ids.has(id));
        expect(scoped.map(({ id }) => id)).toEqual(order);
        for (const root of scope.roots.values()) expect(ids.has(root)).toBe(byId.has(root));
      });
    },
  );

  test("it is closed under what its changes need", { timeout: 600_000 }, () => {
    forAny(({ whole, scope, make, resources }) => {
      const open = new Set(whole.changes.map(({ id }) => id));
      const isNew = new Set(
        whole.changes.filter(({ action }) => action === "create").map(({ id }) => id),
      );
      const ids = new Set(make(scope).changes.map(({ id }) => id));
      for (const id of [...ids, ...scope.roots.values()])
        for (const needed of closeHard(resources, id)) {
          if (needed !== claimsId && open.has(needed))
            expect(ids, `${id} needs it`).toContain(needed);
          const { joins = [] } = resources.find((one) => idOf(one) === needed) ?? {};
          for (const joined of joins) expect(isNew.has(joined) && !ids.has(joined)).toBe(false);
        }
    });
  });

  test("it removes nothing, and says what waits", { timeout: 600_000 }, () => {
    forAny(({ whole, scope, make, resources }) => {
      const { changes, part } = make(scope);
      const wanted = new Set(resources.map(idOf));
      expect(changes.filter(({ action }) => action === "delete")).toEqual([]);
      const ids = new Set(changes.map(({ id }) => id));
      const rest = whole.changes.filter(({ id }) => !ids.has(id));
      const removals = rest.filter(({ id }) => !wanted.has(id)).length;
      expect(part?.waiting).toEqual({ changes: rest.length - removals, removals });
    });
  });

  test("what is outside keeps what is written down of it", { timeout: 600_000 }, () => {
    forAny((one) => {
      const { scope, make, state, unfinished, claims, whole } = one;
      const plan = make(scope);
      const before = parseState(state);
      const after = parseState(plan.state);
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const { id } of whole.changes) expect(after.get(id)).toEqual(before.get(id));
      const ids = new Set(plan.changes.map(({ id }) => id));
      for (const id of unfinished)
        if (whole.changes.some((change) => change.id === id) && !ids.has(id) && id !== claimsId)
          expect(plan.part?.due).toContain(id);
      const writing = plan.changes.find(({ id }) => id === claimsId)?.steps[0];
      const written =
        writing?.type === "put" && "text" in writing.content ? writing.content.text : claims;
      expect(parseClaims(written)).toEqual(expect.arrayContaining(parseClaims(claims)));
    });
  });

  test("a scope of everything is the whole plan, but for removals", { timeout: 600_000 }, () => {
    forAny((one) => {
      const { whole, make, resources } = one;
      const wanted = new Set(resources.map(idOf));
      const roots = new Map(resources.map((resource) => [idOf(resource), idOf(resource)]));
      const plan = make({ label: "--only all", services: [], roots, others: [] });
      const strip = ({ changes }: Plan) =>
        changes
          .filter(({ id }) => wanted.has(id) && id !== claimsId)
          .map(({ inScopeBecause: _because, ...change }) => ({
            ...change,
            // That the removal is due follows from a change in the whole plan alone.
            beginLines: change.beginLines.replace("due file:/etc/gone\n", ""),
          }));
      expect(strip(plan)).toEqual(strip(whole));
      expect(plan.part?.waiting.changes).toBeLessThanOrEqual(1);
    });
  });
});
