/** The part of a migration that is to run, where its file also holds the way back; line numbers stay as they are. */
export interface WayUp {
  readonly text: string;
  /** The tool's own word for "not in a transaction" stands in it. */
  readonly isAlone: boolean;
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}

interface Format {
  readonly tool: string;
  /** Absent: what stands above `down` is the way up. */
  readonly up?: RegExp;
  readonly down: RegExp;
}

/** Tools that keep both ways in one file, and the lines that say where each begins. */
const formats: readonly Format[] = [
  {
    tool: "goose",
    up: /^\s*--\s*\+goose\s+up\b/i,
    down: /^\s*--\s*\+goose\s+down\b/i,
  },
  {
    tool: "sql-migrate",
    up: /^\s*--\s*\+mi(?:grate|crate)\s+up\b/i,
    down: /^\s*--\s*\+mi(?:grate|crate)\s+down\b/i,
  },
  { tool: "dbmate", up: /^\s*--\s*migrate:up\b/i, down: /^\s*--\s*migrate:down\b/i },
  { tool: "rambler", up: /^\s*--\s*rambler\s+up\b/i, down: /^\s*--\s*rambler\s+down\b/i },
  {
    tool: "node-pg-migrate",
    up: /^\s*--[\s-]*up\s+migration\b/i,
    down: /^\s*--[\s-]*down\s+migration\b/i,
  },
  { tool: "Play", up: /^\s*(?:#|--)[\s-]*!ups\b/i, down: /^\s*(?:#|--)[\s-]*!downs\b/i },
  { tool: "tern", down: /^\s*-{4,}\s*create above \/ drop below\s*-{4,}\s*$/i },
  { tool: "MyBatis", down: /^\s*--\s*\/\/\s*@undo\b/i },
  {
    tool: "up and down",
    up: /^\s*--[\s=*#]*(?:@|\/\/@?)?up[\s=*#:-]*$/i,
    down: /^\s*--[\s=*#]*(?:@|\/\/@?)?down[\s=*#:-]*$/i,
  },
];

/** A comment that stands alone and announces the way back, in no tool's words that hostkit knows. */
const unknownDown =
  /^\s*--[\s\W]*(?:down|undo|rollback|revert)(?:\s+(?:migration|script|part|section|sql))?[\s\W]*$/i;

/** What other tools read out of comments, and hostkit does not do. */
const foreign: readonly (readonly [RegExp, string])[] = [
  [
    /^\s*--\s*liquibase\s+formatted\s+sql/i,
    "Liquibase's changesets are not run by hostkit; `liquibase update-sql` writes plain SQL",
  ],
  [
    /^\s*--\s*(?:deploy\s+\S+\s*|(?:deploy|revert|verify)\s+(?:\S+\s+(?:to|from|on)\s+pg|\S+:\S+(?:\s+\w+){0,2})\s*)$/i,
    "a change of sqitch: its order stands in sqitch.plan, which hostkit does not read; number the deploy files and leave this line out",
  ],
  [
    /^\s*--\s*\+goose\s+envsub\s+on\b/i,
    "goose's ENVSUB fills in variables of the environment; hostkit does not",
  ],
  [/^\s*--\s*atlas:(?:delimiter|txtar|import)\b/i, "hostkit does not follow this word of Atlas"],
  [/^\s*--!\s*include\b/i, "graphile-migrate's includes are not followed by hostkit"],
];

/** Words of other tools for "not in a transaction". */
const alone: readonly RegExp[] = [
  /^\s*--\s*\+goose\s+no\s+transaction\b/i,
  /^\s*--\s*\+migrate\s+up\b.*\bnotransaction\b/i,
  /^\s*--\s*migrate:up\b.*\btransaction:\s*false\b/i,
  /^\s*--\s*no-transaction\s*$/i,
  /^\s*--!?\s*no-transaction\b/i,
  /^\s*--\s*atlas:txmode\s+none\b/i,
  /^\s*--\s*transactional:\s*false\b/i,
];

/** pg_dump's lines for psql (since 2025): they forbid what hostkit does not do anyway. */
const ignored = /^\\(?:un)?restrict\s+\w+\s*$/;

/** Finds the way up in a text without carriage returns; says what it cannot tell. */
export function findWayUp(text: string): WayUp {
  const lines = text.split("\n");
  const faults: { line: number; message: string }[] = [];
  for (const [index, line] of lines.entries()) {
    for (const [pattern, message] of foreign)
      if (pattern.test(line)) faults.push({ line: index + 1, message });
  }
  const format = formats.find(({ up, down }) =>
    lines.some((line) => down.test(line) || up?.test(line)),
  );
  const kept = lines.map((line) => (ignored.test(line) ? "" : line));
  if (format === undefined) {
    const at = lines.findIndex((line) => unknownDown.test(line));
    if (at >= 0)
      faults.push({
        line: at + 1,
        message: `"${lines[at]?.trim()}" looks like the beginning of a way back, and hostkit would run it: keep the way up only, or use the lines of goose or dbmate`,
      });
  } else keepWayUp(format, lines, kept, faults);
  return {
    text: kept.join("\n"),
    isAlone: lines.some((line) => alone.some((pattern) => pattern.test(line))),
    faults,
  };
}

function keepWayUp(
  { tool, up, down }: Format,
  lines: readonly string[],
  kept: string[],
  faults: { line: number; message: string }[],
): void {
  const hasUp = up !== undefined && lines.some((line) => up.test(line));
  if (up !== undefined && !hasUp) {
    const at = lines.findIndex((line) => down.test(line));
    const isOnlyDown = lines.slice(0, at).every((line) => /^\s*(?:--.*)?$/.test(line));
    if (isOnlyDown)
      faults.push({ line: at + 1, message: `only ${tool}'s way back is here, no way up` });
  }
  let way: "before" | "up" | "down" = hasUp ? "before" : "up";
  for (const [index, line] of lines.entries()) {
    if (up?.test(line) === true) way = "up";
    else if (down.test(line)) way = "down";
    else if (way === "before" && !/^\s*(?:--.*|#.*)?$/.test(line))
      faults.push({
        line: index + 1,
        message: `stands above the line where ${tool}'s way up begins`,
      });
    // The lines of comments that say where parts begin need not be SQL themselves.
    if (way !== "up" || up?.test(line) === true) kept[index] = "";
  }
}
