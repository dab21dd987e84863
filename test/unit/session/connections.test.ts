import { expect, test } from "vitest";
import { withConnections } from "../../../src/session/project.ts";
import type { HostAccess } from "../../../src/session/project.ts";
import type { Connection } from "../../../src/ssh/connection.ts";

const names = Array.from({ length: 50 }, (_, index) => `h${index}`);
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Hosts that only count who is connected, and how many were between connecting and the end of their visit. */
function makeHosts(refused: readonly string[] = []) {
  const open = new Set<string>();
  const seen = { most: 0, now: 0 };
  const hosts = names.map((name): HostAccess => ({
    name,
    async connect() {
      seen.now++;
      seen.most = Math.max(seen.most, seen.now);
      await turn();
      if (refused.includes(name)) throw new Error(`${name} refuses`);
      open.add(name);
      return { close: async () => void open.delete(name) } as Connection;
    },
    route: () => ({ address: name, port: 22, isDirect: true }),
  }));
  return { hosts, open, seen };
}

test("hosts are visited a few at a time, in their order, and stay connected to the end", async () => {
  const { hosts, open, seen } = makeHosts();
  const visited = await withConnections(hosts, async (visit) => {
    const result = await Promise.all(
      hosts.map((host) =>
        visit(host, async (connection) => {
          await connection;
          await turn();
          seen.now--;
          return host.name;
        }),
      ),
    );
    expect(open.size).toBe(names.length);
    return result;
  });
  expect(visited).toEqual(names);
  expect(seen.most).toBe(16);
  await turn();
  expect(open.size).toBe(0);
});

test("who cannot be reached makes room too", async () => {
  const { hosts } = makeHosts(names.slice(0, 30));
  const results = await withConnections(hosts, (visit) =>
    Promise.allSettled(
      hosts.map((host) => visit(host, async (connection) => void (await connection))),
    ),
  );
  expect(results.filter(({ status }) => status === "rejected")).toHaveLength(30);
});

test("a visit that ends before its host had its turn neither frees a place nor connects", async () => {
  const { hosts, seen } = makeHosts();
  const [waiting, others] = [hosts.slice(20, 40), [...hosts.slice(0, 20), ...hosts.slice(40)]];
  await withConnections(hosts, async (visit) => {
    const given = await Promise.allSettled(
      waiting.map((host) => visit(host, () => Promise.reject(new Error("not this one")))),
    );
    expect(given.every(({ status }) => status === "rejected")).toBe(true);
    const visited = others.map((host) =>
      visit(host, async (connection) => {
        await connection;
        await turn();
        await turn();
        seen.now--;
      }),
    );
    await Promise.all(visited);
  });
  expect(seen.most).toBe(16);
  expect(seen.now).toBe(0);
});

test("work that fails before any visit leaves no host connected", async () => {
  const { hosts, open } = makeHosts();
  await expect(
    withConnections(hosts, async () => {
      await turn();
      throw new Error("a file is missing");
    }),
  ).rejects.toThrow("a file is missing");
  for (let turns = 0; turns < 5; turns++) await turn();
  expect(open.size).toBe(0);
});
