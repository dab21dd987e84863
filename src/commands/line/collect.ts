/** For an option that may be given several times: what came before, and this one. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
