/** A line of a `.env` file that cannot be read; `isFatal`: nor can what follows it. */
export class DotenvError extends Error {
  override readonly name = "DotenvError";
  readonly isFatal: boolean;

  constructor(message: string, isFatal = false) {
    super(message);
    this.isFatal = isFatal;
  }
}

type Lookup = (name: string) => string | undefined;

/** `$$`, `$NAME`, `${NAME}`, `${NAME:-…}` and its relatives; `${` and anything else is a mistake. */
const pattern =
  /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{(?:([_a-z][_a-z0-9]*(?::?[-+?]([^\n]*))?)\}|()))/giu;

/**
 * Variables in a value, as compose-go's package template replaces them; only those of earlier lines of the same file are known.
 * @throws DotenvError where docker compose refuses too, or would look into the environment
 */
export function expandVariables(text: string, lookup: Lookup): string {
  return text.replaceAll(pattern, (match) => replaceOne(match, lookup));
}

function replaceOne(match: string, lookup: Lookup): string {
  const operator = findOperator(match);
  const end = closingBrace(match);
  const rest = end < 0 ? "" : match.slice(end + 1);
  const [, dollar, named, braced] =
    new RegExp(pattern.source, "iu").exec(end < 0 ? match : match.slice(0, end + 1)) ?? [];
  if (dollar !== undefined) return dollar;
  if (named !== undefined) return known(named, lookup);
  if (braced === undefined || braced === "")
    throw new DotenvError(
      "${ begins a variable, and this is none; write $$ for a dollar sign, or put the value in single quotes",
    );
  const at = operator === undefined ? -1 : braced.indexOf(operator);
  const value =
    operator === undefined || at < 0
      ? known(braced, lookup)
      : applyOperator(operator, braced.slice(0, at), braced.slice(at + operator.length), lookup);
  return value + expandVariables(rest, lookup);
}

function applyOperator(operator: string, name: string, operand: string, lookup: Lookup): string {
  const value = lookup(name);
  const counts = value !== undefined && (!operator.startsWith(":") || value !== "");
  switch (operator.at(-1)) {
    case "-":
      return counts ? value : expandVariables(operand, lookup);
    case "+":
      return counts ? expandVariables(operand, lookup) : (value ?? "");
    default:
      if (counts) return value;
      throw new DotenvError(`\${${name}${operator}…}: ${name} has no value in this file`);
  }
}

function known(name: string, lookup: Lookup): string {
  const value = lookup(name);
  if (value !== undefined) return value;
  throw new DotenvError(
    `$${name} is a variable that no earlier line sets: docker compose would look into your environment, hostkit does not; write $$ for a dollar sign, put the value in single quotes, or write \${${name}:-…}`,
  );
}

/** The first of the six in the text. */
function findOperator(text: string): string | undefined {
  const found = [":?", "?", ":-", "-", ":+", "+"]
    .map((operator) => ({ operator, at: text.indexOf(operator) }))
    .filter(({ at }) => at >= 0)
    .toSorted((left, right) => left.at - right.at);
  return found[0]?.operator;
}

function closingBrace(text: string): number {
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    if (text.charAt(at) === "}") {
      open--;
      if (open === 0) return at;
    }
    if (text.charAt(at) === "{") {
      open++;
      at++;
    }
  }
  return -1;
}
