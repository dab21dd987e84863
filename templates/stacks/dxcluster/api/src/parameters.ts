/**
 * Query parameters, described as data: one description checks a request and documents it. Pure.
 * Numbers above a maximum are lowered to it, as the API has always done (unless they would give a wrong answer); everything else that does not fit is refused.
 */
export type Parameter =
  | {
      readonly type: "integer";
      readonly about: string;
      readonly minimum: number;
      readonly maximum: number;
      readonly fallback?: number;
      /** What is said to a number above the maximum, where lowering it would give a wrong answer. */
      readonly refusal?: string;
    }
  | { readonly type: "number"; readonly about: string; readonly minimum: number }
  | { readonly type: "text"; readonly about: string; readonly longest: number }
  | { readonly type: "time"; readonly about: string }
  | {
      readonly type: "choice";
      readonly about: string;
      readonly allowed: readonly string[];
      readonly fallback?: string;
    };

export type Parameters = Readonly<Record<string, Parameter>>;

type ValueOf<P extends Parameter> = P["type"] extends "integer" | "number"
  ? number
  : P["type"] extends "time"
    ? Date
    : string;

/** Parameters with a fallback are always there. */
export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends { readonly fallback: unknown }
    ? ValueOf<P[Name]>
    : ValueOf<P[Name]> | undefined;
};

export class BadRequest extends Error {
  override readonly name = "BadRequest";
  readonly statusCode = 400;
}

/** @throws BadRequest that names every problem at once. */
export function readParameters<P extends Parameters>(
  parameters: P,
  query: Readonly<Record<string, unknown>>,
): Values<P> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const unknown = Object.keys(query).filter((name) => !Object.hasOwn(parameters, name));
  if (unknown.length > 0) {
    problems.push(
      `Invalid parameters: ${unknown.join(", ")}. Allowed: ${Object.keys(parameters).join(", ") || "none"}`,
    );
  }
  for (const [name, parameter] of Object.entries(parameters)) {
    const given = query[name];
    if (given === undefined) {
      if ("fallback" in parameter) values[name] = parameter.fallback;
      continue;
    }
    const result =
      typeof given === "string"
        ? readValue(parameter, given)
        : { problem: "is given more than once" };
    if ("problem" in result) problems.push(`${name} ${result.problem}`);
    else if (result.value !== undefined) values[name] = result.value;
    else if ("fallback" in parameter) values[name] = parameter.fallback;
  }
  if (problems.length > 0) throw new BadRequest(problems.join("; "));
  return values as Values<P>;
}

type Result = { readonly value: unknown } | { readonly problem: string };

function readValue(parameter: Parameter, text: string): Result {
  // An empty value is a form field that was left empty.
  if (text === "") return { value: undefined };
  switch (parameter.type) {
    case "integer": {
      const value = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= parameter.minimum))
        return {
          problem: `must be a whole number from ${parameter.minimum} to ${parameter.maximum}`,
        };
      if (value > parameter.maximum && parameter.refusal !== undefined)
        return { problem: `must be at most ${parameter.maximum}: ${parameter.refusal}` };
      return { value: Math.min(value, parameter.maximum) };
    }
    case "number": {
      const value = /^[+-]?\d{1,12}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
      return value >= parameter.minimum
        ? { value }
        : { problem: `must be a number not below ${parameter.minimum}` };
    }
    case "text":
      // eslint-disable-next-line no-control-regex
      if (/[\u0000-\u001f]/.test(text)) return { problem: "holds control characters" };
      return text.length <= parameter.longest
        ? { value: text }
        : { problem: `is longer than ${parameter.longest} characters` };
    case "time": {
      const value = readTime(text);
      return value === null
        ? { problem: "must be an ISO time such as 2026-11-21T14:00:00Z" }
        : { value };
    }
    case "choice":
      return parameter.allowed.includes(text)
        ? { value: text }
        : { problem: `must be one of: ${parameter.allowed.join(", ")}` };
  }
}

/** ISO 8601 date or date and time; without a zone it is UTC. A `+` that arrived as a blank is taken back. */
function readTime(text: string): Date | null {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+ -]\d{2}:?\d{2})?)?$/i.exec(
      text,
    );
  if (match === null) return null;
  const [, day = "", clock = "00:00", zone = "Z"] = match;
  const offset =
    zone.toUpperCase() === "Z" ? "Z" : zone.replace(" ", "+").replace(/^(.\d\d):?(\d\d)$/, "$1:$2");
  const value = new Date(`${day}T${clock}${offset}`);
  // Date rolls 31 February over to March.
  if (Number.isNaN(value.getTime()) || new Date(`${day}T00:00Z`).toISOString().slice(0, 10) !== day)
    return null;
  return value;
}

/** The same description as JSON Schema, for OpenAPI. */
export function toJsonSchema(
  parameters: Parameters,
): Record<string, Readonly<Record<string, unknown>>> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [name, schemaOf(parameter)]),
  );
}

function schemaOf(parameter: Parameter): Readonly<Record<string, unknown>> {
  const { about: description } = parameter;
  switch (parameter.type) {
    case "integer":
      return {
        type: "integer",
        description,
        minimum: parameter.minimum,
        maximum: parameter.maximum,
        ...defaultOf(parameter.fallback),
      };
    case "number":
      return { type: "number", description, minimum: parameter.minimum };
    case "text":
      return { type: "string", description, maxLength: parameter.longest };
    case "time":
      return { type: "string", format: "date-time", description };
    case "choice":
      return {
        type: "string",
        description,
        enum: parameter.allowed,
        ...defaultOf(parameter.fallback),
      };
  }
}

function defaultOf(fallback: unknown): object {
  return fallback === undefined ? {} : { default: fallback };
}
