/** The questions that the benchmark asks /api/spots, in the shares that they are asked. */

/** @typedef {{ name: string, share: number, query: (random: () => number, seen: Seen) => string }} Question */
/** @typedef {{ calls: string[], spotters: string[], cursors: string[] }} Seen what former answers held */

const pick = (list, random) => list[Math.floor(random() * list.length)] ?? "";
const day = 86_400_000;
const bands = ["160m", "80m", "40m", "30m", "20m", "17m", "15m", "12m", "10m", "6m"];

/** @type {readonly Question[]} */
export const questions = [
  { name: "newest 100", share: 18, query: () => "" },
  { name: "band", share: 14, query: (random) => `band=${pick(bands, random)}` },
  {
    name: "band and mode",
    share: 14,
    query: (random) => `band=${pick(bands, random)}&mode=${pick(["CW", "SSB", "FT8"], random)}`,
  },
  { name: "a callsign", share: 12, query: (random, seen) => `dx_call=${pick(seen.calls, random)}` },
  {
    name: "part of a callsign",
    share: 4,
    query: (random, seen) => `dx_call=${pick(seen.calls, random).slice(0, 4)}&limit=50`,
  },
  {
    name: "a spotter",
    share: 5,
    query: (random, seen) => `spotter_call=${encodeURIComponent(pick(seen.spotters, random))}`,
  },
  {
    name: "frequencies",
    share: 8,
    query: (random) => {
      const low = 14_000 + Math.floor(random() * 340);
      return `frequency_min=${low}&frequency_max=${low + 5}`;
    },
  },
  {
    name: "a day long ago",
    share: 5,
    query: (random) => {
      const start = Date.now() - Math.floor(random() * 700) * day;
      return `since=${new Date(start - day).toISOString()}&until=${new Date(start).toISOString()}`;
    },
  },
  {
    name: "a frequent comment",
    share: 3,
    query: (random) => `comment_contains=${pick(["POTA", "CQ", "up 2", "tnx"], random)}`,
  },
  {
    name: "a rare comment",
    share: 3,
    query: (random) =>
      `comment_contains=${pick(["long path", "eu-187", "US-9912", "nowhere"], random)}`,
  },
  {
    name: "a grid square",
    share: 3,
    query: (random) => `grid_square=${pick(["JO", "FN1", "IJ45", "QQ99"], random)}`,
  },
  { name: "a rare mode", share: 2, query: () => "mode=SSTV" },
  {
    name: "next page",
    share: 6,
    query: (random, seen) =>
      seen.cursors.length === 0 ? "" : `cursor=${pick(seen.cursors, random)}`,
  },
  {
    name: "by frequency",
    share: 2,
    query: (random) => `band=${pick(bands, random)}&order_by=frequency`,
  },
  { name: "csv", share: 1, query: () => "format=csv&limit=500" },
];

/** What no index was made for, or where most must be passed over: asked one after the other, not as part of the load. */
export const worst = [
  "offset=1000000",
  "offset=500000&band=20m",
  "offset=3000&comment_contains=tnx&band=6m",
  "comment_contains=zzz+nowhere",
  "comment_contains=qz",
  "comment_contains=IOTA&band=160m&mode=RTTY",
  "comment_contains=EU-187&order_by=frequency",
  "grid_square=ZZ",
  "grid_square=J",
  "grid_square=AA00&mode=SSTV",
  "spotter_call=DL",
  "spotter_call=W1&dx_call=9A1",
  "spotter_call=1B&mode=SSTV",
  "dx_call=A&spotter_call=Q",
  "mode=SSTV&band=160m&since=2000-01-01",
  "mode=FT&frequency_min=28990",
  "frequency_min=14349&frequency_max=14349.5",
  "frequency_min=1&frequency_max=60000&mode=RTTY",
  "until=LONGAGO&band=12m&mode=SSTV",
  "until=LONGAGO&comment_contains=long+path",
  "order_by=timestamp&comment_contains=long+path",
  "order_by=timestamp&limit=1000",
  "order_by=frequency",
  "order_by=frequency+desc&mode=SSTV",
  "order_by=dx_call+desc",
  "order_by=spotter_call+desc",
  "order_by=spotter_call&band=6m",
];

/** The other paths; `N` is another number each time, so that no answer is one that was kept. */
export const paths = [
  "/api/stats",
  "/api/spots/recent?hours=N",
  "/api/bands",
  "/api/bands?hours=N",
  "/api/bands/conditions?minutes=N",
  "/api/frequency/histogram?hours=N",
  "/api/frequency/histogram?hours=N&band=20m",
  "/api/activity/hourly?hours=N",
  "/api/activity/bands?hours=N",
  "/api/callsigns/top?hours=N",
  "/api/solar?hours=N",
  "/api/prefixes",
];

/** Numbers from 0 to 1, the same for every run. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

export function choose(random) {
  let rest = random() * questions.reduce((sum, { share }) => sum + share, 0);
  return questions.find(({ share }) => (rest -= share) < 0) ?? questions[0];
}
