// Values that languages have trouble with.
import fc from "fast-check";

const nasty = [
  ..." \t\"'\\`$%{}()[]<>;&|#!*?~=:,./-+@^_",
  "\n",
  "\r",
  "\u001b",
  "\u007f",
  "\u0001",
  "a",
  "b",
  "n",
  "0",
  "x",
  "é",
  "世",
  "🎉",
  "\u00a0",
  "\u0085",
  "\u2028",
  "\ufeff",
  "%i",
  "%%",
  "${A}",
  "$(id)",
  "\\n",
  "\\x41",
  "'\"'\"'",
  '""',
  "''",
  "*/",
  "--",
  "${",
  "$$",
  "#x",
  " #",
];

/** A text of up to `maxLength` pieces, half of them nasty. */
export const text = (maxLength = 12) =>
  fc
    .oneof(
      { weight: 3, arbitrary: fc.array(fc.constantFrom(...nasty), { maxLength }) },
      {
        weight: 1,
        arbitrary: fc.array(fc.string({ unit: "binary", maxLength: 4 }), { maxLength: 4 }),
      },
    )
    .map((parts) => parts.join(""));

/** One component of a path: no slash, not empty, not "." or "..", short enough for a file system. */
export const fileName = () =>
  text(10)
    .map((one) => [...one.replaceAll("/", "")].slice(0, 40).join(""))
    .filter((one) => one !== "" && one !== "." && one !== ".." && isText(one));

export const isText = (one) => !one.includes("\0") && Buffer.from(one).toString() === one;

/** `count` values of an arbitrary; the same for the same seed. */
export const sample = (arbitrary, count, seed) => fc.sample(arbitrary, { numRuns: count, seed });

/** Pieces of at most `size`. */
export function chunks(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
    list.slice(at * size, at * size + size),
  );
}

/** Splits values into those that the writer takes, with what it wrote, and the number of those that it refuses. */
export function write(values, writer) {
  const taken = [];
  let refused = 0;
  for (const value of values) {
    try {
      taken.push({ value, written: writer(value) });
    } catch (error) {
      if (error.name !== "UnwritableError" && error.name !== "RangeError") throw error;
      refused++;
    }
  }
  return { taken, refused };
}

/** What differs, told for a person; at most ten. */
export function compare(wanted, got, label = (value) => JSON.stringify(value)) {
  const failures = [];
  wanted.forEach((value, at) => {
    if (got[at] === value || failures.length >= 10) return;
    failures.push(`${label(value)} came out as ${JSON.stringify(got[at])}`);
  });
  if (got.length !== wanted.length)
    failures.push(`${wanted.length} went in, ${got.length} came out`);
  return failures;
}

/** Variables as a process prints them from /proc/self/environ. */
export function readEnvironment(printed) {
  return new Map(
    printed
      .toString()
      .split("\0")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** The variables V0, V1, … against what they were made from, and others that are not of `known`. */
export function compareEnvironment(batch, printed, known) {
  const got = readEnvironment(printed);
  return [
    ...compare(
      batch.map(({ value }) => value),
      batch.map((_, at) => got.get(`V${at}`)),
    ),
    ...[...got.keys()]
      .filter((name) => !/^V\d+$|^$/.test(name) && !known.test(name))
      .map((name) => `a variable ${name} came out of nowhere`),
  ];
}

/** Lines of hexadecimal digits, which stand for texts with whatever in them. */
export function readHexLines(printed) {
  return printed
    .toString()
    .split("\n")
    .slice(0, -1)
    .map((hex) => Buffer.from(hex, "hex").toString());
}

export const writer = (name) => import(`../../dist/writers/${name}.js`);
