import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
} from "yaml";
import type { Pointer } from "./problems.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the value of a pointer, or its key, stands; when it is not there, where its nearest parent's key stands. */
export function locate(
  document: Document,
  lines: LineCounter,
  pointer: Pointer,
  at: "key" | "value" = "value",
): Position {
  let node: Node | undefined = document.contents ?? undefined;
  let key: Node | undefined;
  for (const part of pointer) {
    const step = findChild(resolveAlias(node, document), part);
    if (step === undefined) return position(key ?? node, lines);
    node = step.value;
    key = step.key ?? step.value;
  }
  return position(at === "key" ? (key ?? node) : (node ?? key), lines);
}

interface Child {
  readonly key?: Node;
  readonly value?: Node;
}

function findChild(node: Node | undefined, part: string | number): Child | undefined {
  if (isSeq(node)) {
    const item = typeof part === "number" ? node.items[part] : undefined;
    return isNode(item) ? { value: item } : undefined;
  }
  if (!isMap(node)) return undefined;
  const wanted = String(part);
  const keyText = (key: unknown) => (isScalar(key) ? String(key.value) : String(key));
  // Of duplicate keys the last one counts. Site names come back in lower case.
  const pair =
    node.items.findLast((item) => keyText(item.key) === wanted) ??
    node.items.findLast((item) => keyText(item.key).toLowerCase().replace(/\.$/, "") === wanted);
  if (pair === undefined) return undefined;
  const value = isNode(pair.value) && !isEmpty(pair.value) ? pair.value : undefined;
  return {
    ...(isNode(pair.key) ? { key: pair.key } : {}),
    ...(value === undefined ? {} : { value }),
  };
}

/** An empty value has no text of its own: its key is the better place to point at. */
function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null && (node.source ?? "") === "";
}

function resolveAlias(node: Node | undefined, document: Document): Node | undefined {
  return isAlias(node) ? node.resolve(document) : node;
}

function position(node: Node | undefined, lines: LineCounter): Position {
  return positionOfOffset(node?.range?.[0] ?? 0, lines);
}

export function positionOfOffset(offset: number, lines: LineCounter): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}
