import {
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  type Document,
  type Pair,
  visit,
  type YAMLError,
  YAMLParseError,
} from "yaml";
import { explainIssues, valueAt } from "./explain.ts";
import type { Manifest } from "./manifest.ts";
import { normalizeManifest } from "./normalize.ts";
import { locate, type Position, positionOfOffset } from "./positions.ts";
import { type Finding, formatPointer, type Pointer, type Problem } from "./problems.ts";
import { checkRules } from "./rules.ts";
import { type SecretUse, secretsOf } from "./secrets.ts";
import { manifestSchema, type WrittenManifest } from "./schema.ts";

export { formatProblem, formatProblems, type Pointer, type Problem } from "./problems.ts";

export interface ParsedManifest {
  readonly file: string;
  /** There exactly when no problem is an error. */
  readonly manifest?: Manifest;
  /** What is left of a manifest with mistakes, where that can be told: only to look for more of them. */
  readonly draft?: Manifest;
  /** Every place that asks for a secret; none where the manifest cannot be told from its mistakes. */
  readonly secrets: readonly SecretUse[];
  /** Everything that is wrong, in the order of the file. */
  readonly problems: readonly Problem[];
  /** Where something stands in the text. */
  readonly locate: (pointer: Pointer) => Position;
}

/**
 * Reads a manifest. Never throws: whatever is wrong with the text is a problem.
 * `file` is only for messages.
 */
export function parseManifest(text: string, file: string): ParsedManifest {
  const lines = new LineCounter();
  try {
    return parseText(text, file, lines);
  } catch (cause) {
    // The YAML library recurses by nesting depth and refuses alias bombs by throwing.
    const message =
      cause instanceof RangeError
        ? "nested too deeply"
        : cause instanceof ReferenceError
          ? "aliases expand to too much"
          : undefined;
    if (message === undefined) throw cause;
    const problem: Problem = { severity: "error", file, line: 1, column: 1, path: "", message };
    return { file, problems: [problem], secrets: [], locate: () => ({ line: 1, column: 1 }) };
  }
}

/** A problem found later, such as a missing file, in the same shape and place. */
export function problemAt(parsed: ParsedManifest, pointer: Pointer, message: string): Problem {
  return {
    severity: "error",
    file: parsed.file,
    ...parsed.locate(pointer),
    path: formatPointer(pointer),
    message,
  };
}

function parseText(text: string, file: string, lines: LineCounter): ParsedManifest {
  const document: Document = parseDocument(text, {
    lineCounter: lines,
    logLevel: "error",
    merge: true,
    prettyErrors: false,
    stringKeys: true,
  });
  const find = (pointer: Pointer, at?: "key" | "value") => locate(document, lines, pointer, at);
  const errors = [...document.errors, ...findForeignNodes(document)];
  const syntax = errors.map((error) => explainSyntax(error, text, file, lines));
  if (errors.some((error) => error.code !== "DUPLICATE_KEY"))
    return { file, problems: syntax, secrets: [], locate: find };

  const { findings, written } = checkDocument(document);
  const problems = [
    ...syntax,
    ...findings.map(({ pointer, at, severity, message, allowed, suggestion }) => ({
      ...{ severity, message },
      ...(allowed === undefined ? {} : { allowed }),
      ...(suggestion === undefined ? {} : { suggestion }),
      file,
      ...find(pointer, at),
      path: formatPointer(pointer),
    })),
  ].toSorted((left, right) => left.line - right.line || left.column - right.column);
  const valid = written !== undefined && problems.every((problem) => problem.severity !== "error");
  const secrets = written === undefined ? [] : secretsOf(written);
  if (valid) return { file, manifest: normalizeManifest(written), problems, secrets, locate: find };
  const draft = written === undefined ? undefined : draftManifest(written);
  return { file, ...(draft === undefined ? {} : { draft }), problems, secrets, locate: find };
}

function draftManifest(written: WrittenManifest): Manifest | undefined {
  try {
    return normalizeManifest(written);
  } catch {
    // It relies on the rules: without them anything may be missing.
    return undefined;
  }
}

const coreTags = new Set(
  ["map", "seq", "str", "int", "float", "bool", "null"].map((name) => `tag:yaml.org,2002:${name}`),
);

/** Aliases to nothing, and tags: `!!binary` and the like would bring objects that are no plain data. */
function findForeignNodes(document: Document): YAMLParseError[] {
  const errors: YAMLParseError[] = [];
  const add = (node: Node, code: "BAD_ALIAS" | "TAG_RESOLVE_FAILED", message: string) => {
    const start = node.range?.[0] ?? 0;
    errors.push(new YAMLParseError([start, start + 1], code, message));
  };
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document) === undefined)
        add(node, "BAD_ALIAS", `no anchor &${node.source} before this alias`);
    },
    Node(_, node) {
      if (node.tag === undefined || coreTags.has(node.tag)) return;
      add(node, "TAG_RESOLVE_FAILED", "tags such as !name have no meaning here");
    },
  });
  return errors;
}

function explainSyntax(error: YAMLError, text: string, file: string, lines: LineCounter): Problem {
  const [start] = error.pos;
  const message =
    error.code === "DUPLICATE_KEY"
      ? `the key ${/^[^\s:,{}]{1,60}/.exec(text.slice(start))?.[0] ?? ""} is here twice`
      : error.code === "MULTIPLE_DOCS"
        ? "a second document begins here: one file, one manifest"
        : `not valid YAML: ${error.message}`;
  return { severity: "error", file, ...positionOfOffset(start, lines), path: "", message };
}

interface Checked {
  readonly findings: readonly Finding[];
  readonly written?: WrittenManifest;
}

function checkDocument(document: Document): Checked {
  const forbidden = prepareScalars(document);
  const data: unknown = document.toJS({ maxAliasCount: 100 });
  if (data === null || data === undefined) {
    return { findings: [failure("the file is empty: a manifest begins with `stack: NAME`")] };
  }
  if (typeof data !== "object" || Array.isArray(data)) {
    return { findings: [failure("expected a mapping with the keys stack, hosts, …")] };
  }
  if (isCircular(data, new Set())) return { findings: [failure("an alias contains itself")] };
  fillEmptySections(data as Record<string, unknown>);

  const result = manifestSchema.safeParse(data);
  const findings = [
    ...forbidden,
    ...(result.success ? [] : explainIssues(result.error.issues, data)),
  ];
  const { written, dropped, rest } = result.success
    ? { written: result.data, dropped: [], rest: data }
    : salvage(data, findings);
  if (written !== undefined) {
    const hasStranger = findings.some(
      ({ at, pointer, suggestion }) =>
        at === "key" && pointer.length === 1 && suggestion === undefined,
    );
    findings.push(
      ...checkRules(written, rest).filter(
        (found) => !touches(found, dropped) && !(hasStranger && found.isAbsence === true),
      ),
    );
  }
  return { findings, ...(written === undefined ? {} : { written }) };
}

function failure(message: string): Finding {
  return { severity: "error", pointer: [], message };
}

/** Maps whose values are text for others: `1.10` and `0x1F` must arrive as they were written. */
const textMaps = new Set(["env", "args", "settings", "sysctl", "headers"]);

function prepareScalars(document: Document): Finding[] {
  const findings: Finding[] = [];
  visit(document, {
    Pair(_, pair: Pair) {
      const key = isScalar(pair.key) ? String(pair.key.value) : "";
      if (key === "__proto__") findings.push(failure('the key "__proto__" is not allowed'));
      if (key === "sha256") keepSource(pair.value);
      if (textMaps.has(key) && isMap(pair.value))
        for (const item of pair.value.items) keepSource(item.value);
    },
  });
  return findings;
}

function keepSource(node: unknown): void {
  if (!isScalar(node) || node.source === undefined) return;
  if (typeof node.value === "number" || typeof node.value === "boolean") node.value = node.source;
}

function isCircular(value: unknown, parents: Set<unknown>): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (parents.has(value)) return true;
  parents.add(value);
  const found = Object.values(value).some((inner) => isCircular(inner, parents));
  parents.delete(value);
  return found;
}

/** `services:` with everything below commented out is an empty section, not a mistake. */
function fillEmptySections(data: Record<string, unknown>): void {
  for (const key of Object.keys(manifestSchema.shape)) {
    if (!["stack", "hosts", "build_command"].includes(key) && data[key] === null) data[key] = {};
  }
}

/**
 * Takes out what the schema refuses until the rest fits, so that the rules can look at that rest and
 * every problem is reported at once. A misspelt key stands under its right name in the rest: what it holds is not missing.
 */
function salvage(
  data: unknown,
  findings: readonly Finding[],
): { written?: WrittenManifest; dropped: readonly Pointer[]; rest: unknown } {
  const rest = structuredClone(data) as Record<string, unknown>;
  // With names from the data: an entry that is broken is declared all the same.
  const raw = structuredClone(data) as Record<string, unknown>;
  const dropped: Pointer[] = [];
  for (const { pointer, at, suggestion } of findings) {
    if (at !== "key" || suggestion === undefined) continue;
    for (const root of [rest, raw]) {
      const renamed = rename(root, pointer, suggestion);
      if (renamed !== undefined) dropped.push(renamed);
    }
  }
  for (let round = 0; round < 30; round += 1) {
    const result = manifestSchema.safeParse(rest);
    if (result.success) return { written: result.data, dropped, rest: raw };
    for (const issue of result.error.issues) {
      const path = issue.path as Pointer;
      const bad =
        issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
      for (const pointer of bad) dropped.push(drop(rest, pointer));
    }
  }
  return { dropped, rest: raw };
}

/** Gives a key another name, unless that one is there already. @returns where its value stands then */
function rename(root: unknown, pointer: Pointer, name: string): Pointer | undefined {
  const parent = valueAt(root, pointer.slice(0, -1));
  const key = pointer.at(-1);
  if (typeof parent !== "object" || parent === null || Array.isArray(parent)) return undefined;
  if (typeof key !== "string" || Object.hasOwn(parent, name)) return undefined;
  const entries = parent as Record<string, unknown>;
  entries[name] = entries[key];
  delete entries[key];
  return [...pointer.slice(0, -1), name];
}

/** Removes a value, or the nearest parent that can go: a missing key takes its mapping along, an entry its list. */
function drop(root: Record<string, unknown>, pointer: Pointer): Pointer {
  const [section] = pointer;
  if (section === "stack") root["stack"] = "stack";
  if (section === "hosts" && pointer.length === 1) root["hosts"] = {};
  let end = pointer.length;
  while (
    end > 1 &&
    (valueAt(root, pointer.slice(0, end)) === undefined || typeof pointer[end - 1] === "number")
  )
    end -= 1;
  const parent = valueAt(root, pointer.slice(0, end - 1));
  const key = pointer[end - 1];
  const replaced = end === 1 && (key === "stack" || key === "hosts");
  if (!replaced && key !== undefined && typeof parent === "object" && parent !== null) {
    delete (parent as Record<string | number, unknown>)[key];
  }
  return pointer.slice(0, end);
}

/** A rule's complaint about something that was taken out, or whose parts were, may be a mere echo. */
function touches(finding: Finding, dropped: readonly Pointer[]): boolean {
  return dropped.some((gone) => {
    const shared = Math.min(gone.length, finding.pointer.length);
    return gone.slice(0, shared).every((part, index) => part === finding.pointer[index]);
  });
}
