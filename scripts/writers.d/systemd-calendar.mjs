// Calendar expressions: what the writer takes, systemd-analyze takes too.
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { chunks, sample, write, writer } from "./values.mjs";

export const packages = [];
export const needsHost = false;
export const most = 10_000;

const number = (most) => fc.integer({ min: 0, max: most }).map(String);
const part = (most) =>
  fc.oneof(
    fc.constant("*"),
    number(most),
    fc.tuple(number(most), number(most)).map(([a, b]) => `${a}..${b}`),
    fc.tuple(number(most), number(20)).map(([a, b]) => `${a}/${b}`),
    fc.array(number(most), { minLength: 2, maxLength: 3 }).map((list) => list.join(",")),
  );
const expression = fc
  .tuple(
    fc.constantFrom("", "", "Mon ", "Mon..Fri ", "Sat,Sun ", "fri-sun ", "Sun..Tue "),
    fc.oneof(
      fc.constant(""),
      fc.tuple(part(13), fc.constantFrom("-", "~"), part(32)).map((all) => `${all.join("")} `),
      fc
        .tuple(fc.constantFrom("*", "2026", "1969"), part(13), fc.constantFrom("-", "~"), part(32))
        .map(([y, m, s, d]) => `${y}-${m}${s}${d} `),
    ),
    fc.oneof(
      fc.tuple(part(25), part(61)).map((all) => all.join(":")),
      fc.tuple(part(25), part(61), part(61)).map((all) => all.join(":")),
      fc.constantFrom("", "daily", "weekly", "3"),
    ),
    fc.constantFrom("", "", "", " UTC", " Europe/Berlin", " Nowhere/There"),
  )
  .map((all) => all.join(""));

export async function run({ count, seed }) {
  const { systemdCalendar } = await writer("systemd-calendar");
  const all = write(
    [...new Set(sample(expression, count, seed))],
    (value) => systemdCalendar(value).text,
  );
  const failures = [];
  const bad = (list) => {
    const words = ["calendar", ...list.map(({ written }) => written)];
    const { stderr } = spawnSync("systemd-analyze", words, { stdio: ["ignore", "ignore", "pipe"] });
    // systemd 252 does not find when some come next in a time zone; that is not the writer's matter.
    return /Failed to parse/.test(stderr.toString());
  };
  for (const batch of chunks(all.taken, 200)) {
    if (!bad(batch)) continue;
    failures.push(
      ...batch
        .filter((one) => bad([one]))
        .map(({ value }) => `${JSON.stringify(value)} is refused by systemd`),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
