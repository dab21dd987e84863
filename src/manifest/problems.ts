/** Keys and list indexes from the root of the YAML file to a value. */
export type Pointer = readonly (string | number)[];

type Severity = "error" | "warning";

/** What is wrong, before it has a place in a text. */
export interface Finding {
  readonly severity: Severity;
  readonly pointer: Pointer;
  /** Whether the key or its value is meant. Default: value. */
  readonly at?: "key" | "value";
  readonly message: string;
  /** What could stand there instead. */
  readonly allowed?: readonly string[];
  /** The allowed word that was probably meant. */
  readonly suggestion?: string;
  /** It is about something that is not there: an echo, where a section has a name that hostkit does not know. */
  readonly isAbsence?: boolean;
  /** The key that is missing in the mapping. */
  readonly missing?: string;
}

export interface Problem {
  readonly severity: Severity;
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** `web.api.port`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly allowed?: readonly string[];
  readonly suggestion?: string;
}

/** `["proxy", "sites", "a.example", "routes", 0]` → `proxy.sites["a.example"].routes[0]`. */
export function formatPointer(pointer: Pointer): string {
  let path = "";
  for (const part of pointer) {
    if (typeof part === "number") path += `[${part}]`;
    else if (!/^[A-Za-z0-9_-]+$/.test(part)) path += `[${JSON.stringify(part)}]`;
    else path += path === "" ? part : `.${part}`;
  }
  return path;
}

/** One line: `hostkit.yaml:12:5 web.api.port: expected …; did you mean …?`. */
export function formatProblem(problem: Problem): string {
  const { severity, file, line, column, path, message, allowed, suggestion } = problem;
  let text = `${file}:${line}:${column} `;
  if (severity === "warning") text += "warning: ";
  if (path !== "") text += `${path}: `;
  text += message;
  if (suggestion !== undefined) text += `; did you mean "${suggestion}"?`;
  if (allowed !== undefined && allowed.length > 0) text += ` (allowed: ${allowed.join(", ")})`;
  return text;
}

/** One line a problem, in the order of the file, no trailing newline. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join("\n");
}
