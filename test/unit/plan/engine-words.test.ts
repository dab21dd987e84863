import { expect, test } from "vitest";
import { engineFacts } from "../../../src/facts/containers/engine.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { textFacts } from "../../../src/facts/files/file.ts";
import { checkSwarm, nameContainers } from "../../../src/plan/engine-words.ts";
import type { Plan } from "../../../src/plan/types.ts";

const plan = {
  host: "h",
  changes: [
    { id: "json-file:/etc/docker/daemon.json", action: "update", because: "differs in icc" },
    { id: "unit:docker.service", action: "restart", because: "a file changed" },
    { id: "unit:other.service", action: "restart", because: "a file changed" },
  ],
} as unknown as Plan;

function factsOf(running: readonly string[], daemon: string | undefined, isSwarm = false): Facts {
  const engine = { daemon: "/usr/sbin/dockerd", client: "/usr/bin/docker", packages: [], running };
  return Facts.of(
    [engineFacts, { docker: { ...engine, isSwarm } }],
    [textFacts, daemon === undefined ? {} : { "/etc/docker/daemon.json": daemon }],
  );
}

test.each([
  [["a", "b"], undefined, "a file changed; the 2 containers that run (a, b) live on"],
  [["a"], '{"mtu": 1400}', "a file changed; the container that runs (a) lives on"],
  [
    ["a"],
    '{"live-restore": false}',
    "a file changed; ends the container that runs (a), and starts again only what has a restart policy: live-restore is off in /etc/docker/daemon.json",
  ],
  [[], '{"live-restore": false}', "a file changed"],
])("a restart of Docker says what becomes of %j with %s", (running, daemon, because) => {
  const { changes } = nameContainers(plan, factsOf(running, daemon));
  expect(changes.map((change) => change.because)).toEqual([
    "differs in icc",
    because,
    "a file changed",
  ]);
});

test("a swarm's Docker is not given live-restore", () => {
  expect(checkSwarm(plan, factsOf([], undefined, true))?.parts.what).toMatch(/swarm mode/);
  expect(checkSwarm(plan, factsOf([], '{"live-restore": false}', true))).toBeUndefined();
  expect(checkSwarm(plan, factsOf([], undefined))).toBeUndefined();
});
