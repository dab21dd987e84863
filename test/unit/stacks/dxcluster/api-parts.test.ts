import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { catalogue } from "../../../../templates/stacks/dxcluster/api/src/catalogue.ts";
import { clientOf, gateways } from "../../../../templates/stacks/dxcluster/api/src/clients.ts";
import { readCursor, writeCursor } from "../../../../templates/stacks/dxcluster/api/src/cursor.ts";
import { docsPage, docsPolicy } from "../../../../templates/stacks/dxcluster/api/src/docs-page.ts";
import { Memo } from "../../../../templates/stacks/dxcluster/api/src/memo.ts";
import { describeApi } from "../../../../templates/stacks/dxcluster/api/src/openapi.ts";
import { BadRequest } from "../../../../templates/stacks/dxcluster/api/src/parameters.ts";

describe("a cursor", () => {
  const cursors = fc.record({
    order: fc.constantFrom("timestamp DESC", "frequency ASC", "dx_call DESC"),
    value: fc.stringMatching(/^\d{1,9}\.\d{3}$/),
    at: fc.nat({ max: 4_000_000_000_000_000 }),
    id: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  });

  it("comes back as it went out, and is fit for a URL", () => {
    fc.assert(
      fc.property(cursors, ({ value, ...cursor }) => {
        const given = { ...cursor, value: cursor.order.startsWith("time") ? null : value };
        const text = writeCursor(given);
        expect(encodeURIComponent(text)).toBe(text);
        expect(readCursor(text, given.order)).toEqual(given);
      }),
    );
  });

  it("of another order is refused, and says which", () => {
    const text = writeCursor({ order: "dx_call ASC", value: "DL1ABC", at: 1, id: 2 });
    expect(() => readCursor(text, "timestamp DESC")).toThrow(/order_by=dx_call ASC/);
  });

  it("of anybody's own making is refused, never anything worse", () => {
    const refused = (text: string): void => {
      expect(() => readCursor(text, "frequency ASC")).toThrow(BadRequest);
    };
    fc.assert(fc.property(fc.string(), refused));
    refused(Buffer.from("frequency ASC|1;drop|1|1").toString("base64url"));
  });
});

describe("a client", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:0db8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
  ])("with the address %s is %s", (address, client) => {
    expect(clientOf(address)).toBe(client);
  });
});

describe("the gateways of a container", () => {
  it("are the ones of the default routes", () => {
    const routes = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask",
      "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000",
      "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF",
    ].join("\n");
    expect(gateways(routes)).toEqual(["172.17.0.1"]);
    expect(gateways("")).toEqual([]);
  });
});

describe("a memo", () => {
  it("asks once for many, and once more when the answer is old, while the old one still goes out", async () => {
    let now = 0;
    let asked = 0;
    const memo = new Memo(() => now);
    const get = (): Promise<number> => memo.get("key", 10, async () => (asked += 1));
    expect(await Promise.all([get(), get(), get()])).toEqual([1, 1, 1]);
    now = 9_999;
    expect(await get()).toBe(1);
    now = 10_000;
    expect(await Promise.all([get(), get()])).toEqual([1, 1]);
    expect(await get()).toBe(2);
    expect(asked).toBe(2);
    // Too old to be shown to anybody.
    now = 100_000;
    expect(await get()).toBe(3);
  });

  it("keeps the longer what took the longer", async () => {
    let now = 0;
    let asked = 0;
    const memo = new Memo(() => now);
    const take = (milliseconds: number): Promise<number> =>
      memo.get(`${milliseconds}`, { least: 15, most: 120 }, async () => {
        now += milliseconds;
        return (asked += 1);
      });
    for (const [milliseconds, seconds] of [
      [2, 15],
      [40, 40],
      [4000, 120],
    ] as const) {
      const begun = now;
      const first = await take(milliseconds);
      now = begun + seconds * 1000 - 1;
      await take(milliseconds);
      expect(asked).toBe(first);
      now += 1;
      await take(milliseconds);
      expect(asked).toBe(first + 1);
    }
  });

  it("keeps no failure", async () => {
    let now = 0;
    const memo = new Memo(() => now);
    const fail = (): Promise<number> => memo.get("key", 1, () => Promise.reject(new Error("away")));
    await expect(fail()).rejects.toThrow("away");
    expect(await memo.get("key", 1, async () => 1)).toBe(1);
    now = 1000;
    // The renewal fails behind this answer, and the next one tries again.
    expect(await fail()).toBe(1);
    expect(await memo.get("key", 1, async () => 2)).toBe(1);
    expect(await memo.get("key", 1, async () => 3)).toBe(2);
  });
});

describe("the page of the API's description", () => {
  const page = docsPage(describeApi(catalogue, "1<2"));

  it("names every path and parameter, and takes nothing from elsewhere", () => {
    for (const { path, parameters } of Object.values(catalogue)) {
      expect(page).toContain(`<code>GET ${path}</code>`);
      for (const name of Object.keys(parameters)) expect(page).toContain(`<code>${name}</code>`);
    }
    expect(page).not.toMatch(/<script|<link|<img|url\(|https?:/);
    expect(docsPolicy).toContain("default-src 'none'");
  });

  it("escapes what it shows", () => {
    expect(page).toContain("1&lt;2");
  });
});
