import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import type { Plan, PlannedChange } from "../../../src/plan/types.ts";
import { fitForTerminal } from "../../../src/report/terminal-text.ts";
import { makeColors } from "../../../src/report/colors.ts";
import { describePlans, renderPlan } from "../../../src/report/plan.ts";
import { answersOf } from "../../../src/resources/kinds.ts";
import { sh } from "../../../src/shell/script.ts";

const plain = makeColors({ isTTY: false }, {});

function change(
  parts: Partial<PlannedChange> & Pick<PlannedChange, "id" | "action">,
): PlannedChange {
  const [kind = "", name = ""] = parts.id.split(/:(.*)/s);
  return {
    ...answersOf({ kind, name }),
    because: "does not exist",
    steps: [],
    waitsFor: [],
    beginLines: "",
    stateLine: "",
    ...parts,
  };
}

function plan(changes: readonly PlannedChange[]): Plan {
  return {
    host: "dx1",
    stack: "s",
    stackDirectory: "/var/lib/hostkit/s",
    fingerprint: "f",
    changes,
    verb: "provision",
    stateHash: "none",
    state: "",
    isUnfinished: false,
  };
}

const long = Array.from({ length: 20 }, (_, index) => `+line ${index}`);
const cases: readonly (readonly [string, readonly PlannedChange[], boolean, string])[] = [
  ["nothing", [], false, "dx1 (Debian 13): nothing to change"],
  [
    "groups in the order in which they come up, with reasons",
    [
      change({ id: "file:/etc/a", action: "create" }),
      change({ id: "packages:apt", action: "create", because: "not installed: caddy" }),
      change({ id: "file:/etc/b", action: "update", because: "mode is 0644, should be 0640" }),
      change({ id: "unit:caddy.service", action: "restart", because: "file:/etc/b changed" }),
      change({ id: "file:/etc/old", action: "delete", because: "no longer in the manifest" }),
    ],
    false,
    `dx1 (Debian 13): 5 changes (2 to create, 1 to update, 1 to restart, 1 to delete)

  files
  + file:/etc/a  does not exist
  ~ file:/etc/b  mode is 0644, should be 0640

  packages
  + packages:apt  not installed: caddy

  units
  ↻ unit:caddy.service  file:/etc/b changed

  no longer wanted
  - file:/etc/old  no longer in the manifest`,
  ],
  [
    "an update shows what differs, a new file does not show itself",
    [
      change({ id: "file:/etc/a", action: "create", difference: ["+all of it"] }),
      change({
        id: "file:/etc/b",
        action: "update",
        because: "content differs",
        difference: ["@@ -1,1 +1,1 @@", "-old", "+new"],
      }),
    ],
    false,
    `dx1 (Debian 13): 2 changes (1 to create, 1 to update)

  files
  + file:/etc/a  does not exist
  ~ file:/etc/b  content differs
      @@ -1,1 +1,1 @@
      -old
      +new`,
  ],
  [
    "long differences are cut",
    [change({ id: "file:/etc/b", action: "update", because: "content differs", difference: long })],
    false,
    `dx1 (Debian 13): 1 change (1 to update)

  files
  ~ file:/etc/b  content differs
${long
  .slice(0, 16)
  .map((line) => `      ${line}\n`)
  .join("")}      … 4 more lines: --verbose`,
  ],
  [
    "verbose shows steps and everything that differs",
    [
      change({
        id: "file:/etc/a",
        action: "create",
        difference: long,
        steps: [
          {
            type: "put",
            path: "/etc/a",
            content: { secret: "hidden" },
            mode: "0600",
            owner: "root",
            group: "root",
          },
          { type: "script", title: "reload it", script: sh`systemctl reload a` },
        ],
      }),
    ],
    true,
    `dx1 (Debian 13): 1 change (1 to create)

  files
  + file:/etc/a  does not exist
      · write /etc/a
      · reload it
${long.map((line) => `      ${line}`).join("\n")}`,
  ],
  [
    "guarded changes say so",
    [
      change({
        id: "nftables:inet hostkit",
        action: "create",
        guard: { seconds: 30, save: sh``, undo: sh``, check: sh`` },
      }),
    ],
    false,
    `dx1 (Debian 13): 1 change (1 to create)

  firewall
  + nftables:inet hostkit  does not exist  (undone by the host after 30 s, unless this machine still gets in)`,
  ],
];

describe("renderPlan", () => {
  test.each(cases)("%s", (_name, changes, verbose, expected) => {
    expect(
      renderPlan({ plan: plan(changes), system: "Debian 13" }, { colors: plain, verbose }),
    ).toBe(expected);
  });

  test("with colours it says the same", () => {
    const colors = makeColors({ isTTY: true }, { TERM: "xterm" });
    for (const [, changes, verbose, expected] of cases) {
      const text = fitForTerminal(
        renderPlan({ plan: plan(changes), system: "Debian 13" }, { colors, verbose }),
      );
      expect(text).toContain("\u001b[");
      expect(text.replace(/\u001b\[\d+m/g, "")).toBe(expected);
    }
  });
});

test("the JSON form holds ids, reasons and titles, and no content", () => {
  const changes = [
    change({
      id: "file:/etc/a",
      action: "create",
      waitsFor: ["packages:apt"],
      guard: { seconds: 30, save: sh`save`, undo: sh`undo`, check: sh`check` },
      steps: [
        { type: "upload", as: "files/x", content: { secret: "hidden-1" } },
        {
          type: "put",
          path: "/etc/a",
          content: { secret: "hidden-2" },
          mode: "0600",
          owner: "root",
          group: "root",
        },
        { type: "script", title: "load", script: sh`load`, stdin: { secret: "hidden-3" } },
      ],
    }),
  ];
  const document = describePlans("s", [{ plan: plan(changes), system: "Debian 13" }]);
  expect(document).toEqual({
    version: 1,
    stack: "s",
    hosts: [
      {
        host: "dx1",
        system: "Debian 13",
        fingerprint: "f",
        changes: [
          {
            id: "file:/etc/a",
            action: "create",
            because: "does not exist",
            waitsFor: ["packages:apt"],
            steps: ["write /etc/a", "load"],
            guardSeconds: 30,
          },
        ],
      },
    ],
  });
  expect(JSON.stringify(document)).not.toContain("hidden");
});

test("what provision would refuse to begin for stands under the plan, and in its document", () => {
  const obstacle = new HostkitError("port_taken", {
    what: "port 80 is taken by nginx (process 7)",
    where: "dx1",
    why: "the reverse proxy needs it",
    next: "systemctl status 7",
  });
  const shown = {
    plan: plan([change({ id: "file:/etc/a", action: "create" })]),
    system: "Debian 13",
    obstacles: [obstacle],
  };
  expect(renderPlan(shown, { colors: plain, verbose: false })).toMatch(
    /\n\n {2}provision would refuse: port 80 is taken by nginx \(process 7\)\n {2}next: systemctl status 7$/,
  );
  expect(describePlans("s", [shown]).hosts[0]?.obstacles).toEqual([
    {
      code: "port_taken",
      what: "port 80 is taken by nginx (process 7)",
      next: "systemctl status 7",
    },
  ]);
});

test.each([
  [true, {}, true],
  [true, { NO_COLOR: "1" }, false],
  [true, { NO_COLOR: "" }, true],
  [true, { TERM: "dumb" }, false],
  [false, {}, false],
  [false, { FORCE_COLOR: "1" }, true],
  [false, { FORCE_COLOR: "0" }, false],
  [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
])("colours: terminal %s, %o → %s", (isTTY, environment, expected) => {
  expect(makeColors({ isTTY }, environment).isColorSupported).toBe(expected);
  expect(makeColors({ isTTY }, environment, false).isColorSupported).toBe(false);
});
