import type { HeadedChanges } from "../plan/page/headings.ts";
import type { PlanPage } from "../plan/page/page.ts";
import { countThings } from "../plan/page/words.ts";
import type { PlannedChange } from "../plan/types.ts";
import { foldText } from "./fold.ts";
import {
  countActions,
  describeOutside,
  paintOf,
  newsOf,
  renderObstacles,
  renderPlan,
  symbols,
} from "./plan.ts";
import type { ShownPlan } from "./plan.ts";
import { listMeanings } from "./plan-meaning.ts";
import type { Colors } from "./colors.ts";
import { plainText } from "./terminal-text.ts";

/** A plan with its page. */
export interface PagedPlan extends ShownPlan {
  readonly page: PlanPage;
}

export interface PageStyle {
  readonly colors: Colors;
  /** Columns; Infinity where lines go to a file or a pipe, so that each stays in one piece. */
  readonly width: number;
  /** Every change, with all that differs, behind the page. */
  readonly details: boolean;
  /** With the details also the titles of all steps. */
  readonly verbose: boolean;
}

/** A plan of more changes is told in one line a heading. */
const manyChanges = 20;
/** Columns below which what changes stands under its heading, not beside it. */
const narrow = 60;
/** So many new things of one heading are named; more are counted. */
const fewNew = 2;

/** The page for a terminal: what the plan means, what it changes by whose it is, what stands against it. No trailing newline. */
export function renderPlanPage(shown: PagedPlan, style: PageStyle): string {
  const { plan, page, system, obstacles = [] } = shown;
  const { colors, width, details } = style;
  if (details) {
    const whole = renderPlan(shown, { colors, verbose: style.verbose, isWhole: true });
    if (plan.changes.length === 0) return whole;
    const meanings = renderRows(listMeanings(page), style);
    const [title = "", ...rest] = whole.split("\n");
    return [title, ...meanings, ...rest].join("\n");
  }
  if (plan.changes.length === 0) return renderPlan(shown, { colors, verbose: false });
  const about = plan.part === undefined ? "" : ` for ${plan.part.label}`;
  const meanings = renderRows(listMeanings(page), style);
  const isLarge = plan.changes.length > manyChanges;
  const title = renderTitle(`(${system}): ${countActions(plan.changes)}${about}`, plan.host, style);
  const name = Math.max(9, ...page.headings.map(({ heading }) => heading.length));
  const changes = page.headings.flatMap((headed) =>
    isLarge ? renderCounts(headed, name, style) : renderHeaded(headed, name, style),
  );
  const outside = describeOutside(plan).map((line) => colors.dim(`  ${line}`));
  const more = foldText(`every file and difference: hostkit plan --details`, width, "  ");
  return [
    ...title,
    ...meanings,
    "",
    ...changes,
    ...(outside.length > 0 ? ["", ...outside] : []),
    ...renderObstacles(obstacles, colors),
    ...(outside.length + obstacles.length > 0 ? [""] : []),
    ...more.map((line) => colors.dim(line)),
  ].join("\n");
}

function renderTitle(text: string, host: string, { colors, width }: PageStyle): string[] {
  const [first = "", ...rest] = foldText(`${host} ${plainText(text)}`, width, "", "  ");
  return [`${colors.bold(host)}${first.slice(host.length)}`, ...rest];
}

/** `  opens      80/tcp, 443/tcp`, folded. */
function renderRows(
  rows: readonly (readonly [label: string, text: string])[],
  { colors, width }: PageStyle,
): string[] {
  let before = "";
  return rows.flatMap(([label, text]) => {
    const shown = label === before ? "" : label;
    before = label;
    const first = `  ${shown.padEnd(9)}  `;
    const [line = "", ...rest] = foldText(plainText(text), width, first);
    return [`  ${colors.bold(shown.padEnd(9))}  ${line.slice(first.length)}`, ...rest];
  });
}

/** One line: `  api        + 1 user, 1 image, 1 release`. */
function renderCounts(
  { heading, changes }: HeadedChanges,
  name: number,
  { colors, width }: PageStyle,
): string[] {
  const byMark = new Map<string, PlannedChange[]>();
  for (const change of changes) {
    const mark = symbols[change.action];
    byMark.set(mark, [...(byMark.get(mark) ?? []), change]);
  }
  const text = [...byMark].map(([mark, marked]) => `${mark} ${countThings(marked)}`).join("  ");
  const first = `  ${plainText(heading).padEnd(name)}  `;
  const lines = foldText(text, width, first);
  const notes = changes.flatMap(({ id, notes: said = [], variables }) => {
    const named = { notes: said.map((note) => `${id}: ${note}`), ...(variables && { variables }) };
    return renderNotes(named, first.length, width, colors);
  });
  return [
    `  ${colors.bold(plainText(heading).padEnd(name))}  ${(lines[0] ?? "").slice(first.length)}`,
    ...lines.slice(1),
    ...notes,
  ];
}

/** Each change by its name and with its reason; many new things are counted. */
function renderHeaded(
  { heading, changes }: HeadedChanges,
  name: number,
  style: PageStyle,
): string[] {
  const { colors, width } = style;
  const fresh = changes.filter(isPlain);
  const isCounted = fresh.length > fewNew;
  const isNarrow = width < narrow;
  const indent = isNarrow ? 4 : name + 4;
  const lines = [
    ...(isCounted
      ? [[colors.green("+"), ...foldText(countThings(fresh), width, " ".repeat(indent + 2))]]
      : []),
    ...changes
      .filter((change) => !isCounted || !fresh.includes(change))
      .map((change) => {
        const scope = change.inScopeBecause === undefined ? "" : `  (${change.inScopeBecause})`;
        const id = plainText(change.id);
        const text = `${id}  ${plainText(`${change.because}${countLines(change)}${scope}`)}`;
        const [line = "", ...rest] = foldText(text, width, " ".repeat(indent + 2));
        const at = indent + 2 + id.length;
        return [
          paintOf(change.action, colors)(symbols[change.action]),
          `${line.slice(0, at)}${colors.dim(line.slice(at))}`,
          ...rest.map((each) => colors.dim(each)),
          ...renderNotes({ ...change, notes: newsOf(change) }, indent + 2, width, colors),
        ];
      }),
  ];
  const label = colors.bold(plainText(heading));
  const shown = lines.flatMap(([mark = "", line = "", ...rest], index) => {
    const before =
      index > 0 || isNarrow
        ? " ".repeat(indent)
        : `  ${label}${" ".repeat(name - plainText(heading).length + 2)}`;
    return [`${before}${mark} ${line.slice(indent + 2)}`, ...rest];
  });
  return isNarrow ? [`  ${label}`, ...shown] : shown;
}

/** ` (+1 -2 lines)` of a change that shows what differs; the names of variables stand below it. */
function countLines({ action, difference = [], variables = [] }: PlannedChange): string {
  if (action === "create") return "";
  const lines = difference.filter((one) => !variables.includes(one) && !one.startsWith("--- /"));
  const [more, less] = ["+", "-"].map((mark) => lines.filter((one) => one.startsWith(mark)).length);
  return more === 0 && less === 0 ? "" : ` (+${more} -${less} lines)`;
}

/** New, and nothing to say of it but that. */
function isPlain({ action, notes, variables, inScopeBecause }: PlannedChange): boolean {
  return (
    action === "create" &&
    notes === undefined &&
    variables === undefined &&
    inScopeBecause === undefined
  );
}

/** What happens along with a change, and the variables and secrets that it changes. */
function renderNotes(
  { notes = [], variables = [] }: Pick<PlannedChange, "notes" | "variables">,
  indent: number,
  width: number,
  colors: Colors,
): string[] {
  const lines = [...(variables.length === 0 ? [] : [variables.join(", ")]), ...notes];
  return lines.flatMap((line) =>
    foldText(plainText(line), width, " ".repeat(indent)).map((each) => colors.yellow(each)),
  );
}
