/**
 * zod's issues in the words of the manifest. Schemas (values.ts) carry sentences that begin with
 * "expected …"; a mapping's message for unknown keys is the list of its keys.
 */
import type { z } from "zod";
import { explainForeignWord } from "./foreign-words.ts";
import { guessMeant, isQuotedNumber } from "./hints.ts";
import type { Finding, Pointer } from "./problems.ts";
import { suggest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** `root`: the value that was checked. */
export function explainIssues(issues: readonly Issue[], root: unknown): Finding[] {
  const found = issues.flatMap((issue) => explain(issue, [], root));
  const missing = found.filter((finding) => finding.missing !== undefined);
  // A key that must be there and stands there misspelt is not missing too.
  const findings = found.map((finding) => {
    const parent = placeOf(finding.pointer.slice(0, -1));
    const key = String(finding.pointer.at(-1));
    if (finding.suggestion === undefined || finding.at !== "key") return finding;
    const there = missing.filter(({ pointer }) => placeOf(pointer) === parent);
    const required = suggest(
      key,
      there.map((each) => each.missing ?? ""),
    );
    return required === undefined ? finding : { ...finding, suggestion: required };
  });
  const meant = new Set(
    findings.flatMap(({ pointer, suggestion }) =>
      suggestion === undefined ? [] : [placeOf([...pointer.slice(0, -1), suggestion])],
    ),
  );
  return findings.filter(
    ({ missing: name, pointer }) => name === undefined || !meant.has(placeOf([...pointer, name])),
  );
}

function placeOf(pointer: Pointer): string {
  return JSON.stringify(pointer);
}

function explain(issue: Issue, prefix: Pointer, root: unknown): Finding[] {
  const pointer: Pointer = [
    ...prefix,
    ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part)),
  ];
  const value = valueAt(root, pointer);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => explainUnknownKey(key, pointer, issue.message));
  const name = pointer.at(-1);
  if (issue.code === "invalid_key") {
    const expected = issue.issues[0]?.message ?? "expected another name";
    return [
      {
        severity: "error",
        pointer,
        at: "key",
        message: `${expected}, got ${describe(String(name))}`,
      },
    ];
  }
  if (value === undefined && name !== undefined) {
    const { texts, values } = expectedOf(issue);
    const expected = joinOr([...values, ...texts]);
    const message = `missing key "${name}"${expected === "" ? "" : ` (${expected})`}`;
    return [
      {
        severity: "error",
        pointer: pointer.slice(0, -1),
        at: "key",
        message,
        missing: String(name),
      },
    ];
  }
  if (issue.code === "invalid_union") {
    const branch = closestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => explain(inner, pointer, root));
  }
  return [explainValue(issue, pointer, value)];
}

function explainUnknownKey(key: string, parent: Pointer, keys: string): Finding {
  const allowed = keys.split(" ");
  const foreign = explainForeignWord(parent, key);
  const suggestion = foreign === undefined ? suggest(key, allowed) : undefined;
  return {
    severity: "error",
    pointer: [...parent, key],
    at: "key",
    message: `unknown key ${describe(key)}${foreign === undefined ? "" : `: ${foreign}`}`,
    ...(foreign === undefined ? { allowed } : {}),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function explainValue(issue: Issue, pointer: Pointer, value: unknown): Finding {
  const { texts, values } = expectedOf(issue);
  const parts = [...new Set([...values, ...texts])];
  const meant =
    guessMeant(value, texts, values) ??
    (typeof value === "string" ? suggest(value, values) : undefined);
  const suggestion = meant === value ? undefined : meant;
  const quotes = isQuotedNumber(value, texts) ? " in quotes: leave them out" : "";
  return {
    severity: "error",
    pointer,
    message: `expected ${parts.length === 0 ? "something else" : joinOr(parts)}, got ${describe(value, holdsSecrets(pointer))}${quotes}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

interface Expected {
  /** Each completes "expected …"; empty when only `values` fit. */
  readonly texts: readonly string[];
  /** The words of a choice. */
  readonly values: readonly string[];
}

function expectedOf(issue: Issue): Expected {
  if (issue.code === "invalid_union") {
    const all = issue.errors.flatMap((branch) =>
      branch.filter((inner) => inner.path.length === 0).map(expectedOf),
    );
    return {
      texts: [...new Set(all.flatMap((each) => each.texts))],
      values: [...new Set(all.flatMap((each) => each.values))],
    };
  }
  if (issue.code === "invalid_value" && !issue.message.startsWith("expected ")) {
    return { texts: [], values: issue.values.map(String) };
  }
  if (issue.code === "too_small" && issue.origin === "array")
    return { texts: ["at least one entry"], values: [] };
  // Only schemas that may also be empty expect null; nobody would write that on purpose.
  if (issue.code === "invalid_type" && issue.expected === "null") return { texts: [], values: [] };
  return { texts: [issue.message.replace(/^expected /, "")], values: [] };
}

/** Of the alternatives whose type fits, the one that knows most of the keys; none when no type fits. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const complaints = (branch: readonly Issue[]) =>
    branch.reduce(
      (sum, issue) => sum + (issue.code === "unrecognized_keys" ? 10 * issue.keys.length : 1),
      0,
    );
  return branches
    .filter((branch) =>
      branch.every(
        (issue) => issue.path.length > 0 || issue.code === "unrecognized_keys" || isDeep(issue),
      ),
    )
    .toSorted((left, right) => complaints(left) - complaints(right))[0];
}

/** A union inside a union that has a fitting alternative of its own. */
function isDeep(issue: Issue): boolean {
  return issue.code === "invalid_union" && closestBranch(issue.errors) !== undefined;
}

function joinOr(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}`;
}

const secretKeys = new Set([
  "env",
  "args",
  "secrets",
  "headers",
  "passphrase",
  "access_key",
  "secret_key",
]);

/** Values below these keys never appear in a message: somebody may have pasted a secret there. */
function holdsSecrets(pointer: Pointer): boolean {
  return pointer.some((part) => typeof part === "string" && secretKeys.has(part));
}

function describe(value: unknown, hidden = false): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (hidden) return typeof value === "string" ? "other text" : `a ${typeof value}`;
  // Numbers that JSON does not know (.nan, .inf) come out as they are.
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function valueAt(root: unknown, pointer: Pointer): unknown {
  let value = root;
  for (const part of pointer) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
