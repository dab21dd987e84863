import type { SqlStatement } from "./sql-statements.ts";

/** What a statement means for the transaction it stands in. */
export type TransactionEffect =
  /** BEGIN, COMMIT, …: begins or ends one itself. */
  | "controls"
  /** PostgreSQL refuses it inside a transaction. */
  | "alone"
  /** May end transactions of its own: CALL, and DO with a COMMIT inside. Runs inside one as long as it does not. */
  | "perhaps"
  /** SET, RESET: for the session, nothing in the database. */
  | "session"
  | "none";

/**
 * PostgreSQL manual, "SQL Commands": which refuse to run in a transaction block (`PreventInTransactionBlock` in its source).
 * ALTER TYPE … ADD VALUE may, from version 12 on; only its new value cannot be used there.
 */
export function transactionEffect({ tokens }: Pick<SqlStatement, "tokens">): TransactionEffect {
  const [first = "", second = ""] = tokens;
  if (endsOrBegins(tokens)) return "controls";
  if (first === "set" || first === "reset")
    return second === "transaction" || second === "constraints" ? "none" : "session";
  // pg_dump begins with: SELECT pg_catalog.set_config('search_path', '', false);
  if (first === "select" && tokens.slice(1, 4).includes("set_config")) return "session";
  if (runsAlone(tokens)) return "alone";
  if (first === "call") return "perhaps";
  if (first === "do")
    return tokens.some((token) => /\b(?:commit|rollback)\b/i.test(token)) ? "perhaps" : "none";
  return "none";
}

function endsOrBegins(tokens: readonly string[]): boolean {
  const [first = "", second = ""] = tokens;
  // ROLLBACK TO SAVEPOINT stays within the transaction, ROLLBACK PREPARED is about another one.
  if (first === "rollback") return !tokens.slice(1, 3).includes("to");
  if (["begin", "commit", "end", "abort"].includes(first)) return true;
  return (first === "start" || first === "prepare") && second === "transaction";
}

function runsAlone(tokens: readonly string[]): boolean {
  const [first = "", second = ""] = tokens;
  switch (first) {
    case "vacuum":
      return true;
    case "create":
      return (
        ["database", "tablespace", "subscription"].includes(second) ||
        findConcurrentIndex({ tokens }) !== undefined
      );
    case "drop":
      return (
        ["database", "tablespace", "subscription"].includes(second) ||
        findConcurrentIndex({ tokens }) !== undefined
      );
    case "alter":
      return second === "system" || (second === "table" && detachesConcurrently(tokens));
    case "reindex":
      return (
        tokens.includes("concurrently") ||
        tokens.some((token) => ["schema", "database", "system"].includes(token))
      );
    case "cluster":
      return tokens.every((token) => ["cluster", "verbose", "(", ")", ";"].includes(token));
    case "discard":
      return second === "all";
    default:
      return false;
  }
}

function detachesConcurrently(tokens: readonly string[]): boolean {
  const at = tokens.indexOf("detach");
  return at > 0 && (tokens.includes("concurrently", at) || tokens.includes("finalize", at));
}

/** `create index concurrently i on t`, `drop index concurrently i`: which index, as SQL writes it. */
export interface ConcurrentIndex {
  readonly action: "create" | "drop";
  /** Absent where PostgreSQL is to choose the name. */
  readonly index?: string;
  /** create only */
  readonly table?: string;
}

/** What a statement does to an index without a lock; undefined for all others. */
export function findConcurrentIndex({
  tokens,
}: Pick<SqlStatement, "tokens">): ConcurrentIndex | undefined {
  const [action] = tokens;
  if (action !== "create" && action !== "drop") return undefined;
  let at = tokens[1] === "unique" ? 2 : 1;
  if (tokens[at] !== "index" || tokens[at + 1] !== "concurrently") return undefined;
  at += 2;
  if (tokens[at] === "if")
    at = tokens.indexOf("exists", at) < 0 ? at : tokens.indexOf("exists", at) + 1;
  if (action === "drop") return { action, index: readName(tokens, at) };
  const isUnnamed = tokens[at] === "on";
  const on = isUnnamed ? at : tokens.indexOf("on", at);
  const table = readName(tokens, tokens[on + 1] === "only" ? on + 2 : on + 1);
  return { action, table, ...(isUnnamed ? {} : { index: readName(tokens, at) }) };
}

/** `a.b`, `"A"."b"` from here on. */
function readName(tokens: readonly string[], from: number): string {
  let at = from;
  while (tokens[at + 1] === ".") at += 2;
  return tokens.slice(from, at + 1).join("");
}

/** The label that ALTER TYPE … ADD VALUE makes, as a string in quotes. */
export function findAddedValue({ tokens }: Pick<SqlStatement, "tokens">): string | undefined {
  if (tokens[0] !== "alter" || tokens[1] !== "type") return undefined;
  const at = tokens.indexOf("add");
  if (at < 0 || tokens[at + 1] !== "value") return undefined;
  return tokens.slice(at + 2).find((token) => token.startsWith("'"));
}
