import { expect, test } from "vitest";
import { SpotStore } from "../../../../templates/stacks/dxcluster/dashboard/page/spot-store.ts";
import { makeSpot, now } from "./dashboard-spot.ts";

const everything = { band: "", mode: "", text: "", people: false };
const ids = (spots: readonly { readonly id: number }[]): number[] => spots.map(({ id }) => id);

test("what the stream brings waits until it is taken in, and is fresh once", () => {
  const store = new SpotStore();
  store.hear([makeSpot(1), makeSpot(2)]);
  expect(store.spots).toEqual([]);
  expect([store.takeIn(), store.takeIn()]).toEqual([true, false]);
  expect(ids(store.spots)).toEqual([2, 1]);
  expect([...store.takeFresh()]).toEqual([1, 2]);
  expect([...store.takeFresh()]).toEqual([]);
});

test("the first page is not fresh, what was missed later is", () => {
  const store = new SpotStore();
  expect(store.catchUp([makeSpot(1)])).toBe(true);
  expect([...store.takeFresh()]).toEqual([]);
  expect(store.catchUp([makeSpot(1)])).toBe(false);
  expect(store.catchUp([makeSpot(3), makeSpot(1)])).toBe(true);
  expect(store.takeFresh().has(3)).toBe(true);
});

test("hits are of the newest and of what the API found, by the filter", () => {
  const store = new SpotStore();
  const old = { timestamp: new Date(now - 86_400_000).toISOString() };
  store.catchUp([makeSpot(5), makeSpot(6, { band: "40m" })]);
  store.setFound([makeSpot(1, old), makeSpot(2, { ...old, band: "40m" })]);
  expect(ids(store.hits(everything))).toEqual([6, 5, 2, 1]);
  expect(ids(store.hits({ ...everything, band: "20m" }))).toEqual([5, 1]);
  store.setFound([]);
  expect(ids(store.hits(everything))).toEqual([6, 5]);
});

test("newest is the time of the newest spot, whatever came last", () => {
  const store = new SpotStore();
  expect(store.newest).toBe(0);
  store.catchUp([makeSpot(1), makeSpot(2, { timestamp: new Date(now - 60_000).toISOString() })]);
  expect(store.newest).toBe(now);
});
