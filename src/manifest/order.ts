/** Stable order: the same manifest with its keys shuffled renders the same files. Code-unit order, no locale. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

export function sortNamed<Item extends { readonly name: string }>(items: readonly Item[]): Item[] {
  return items.toSorted((left, right) => compareText(left.name, right.name));
}

export function sortKeys<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(record).toSorted(([left], [right]) => compareText(left, right)),
  );
}
