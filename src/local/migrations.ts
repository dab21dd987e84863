/** The migrations of a folder in the order in which they run, and what is wrong with its other .sql files. */
export interface MigrationList {
  readonly names: readonly string[];
  readonly mistakes: readonly string[];
}

/** `0001_spots.sql`, `2-roles.sql`, `003.sql`: a number, then what you like. Files that do not end in .sql are left alone. */
export function listMigrations(fileNames: readonly string[]): MigrationList {
  const byNumber = new Map<number, string[]>();
  const mistakes: string[] = [];
  for (const name of [...fileNames].sort()) {
    if (!name.endsWith(".sql") || name.startsWith(".")) continue;
    const digits = /^(\d{1,15})(?!\d)/.exec(name)?.[1];
    if (digits === undefined)
      mistakes.push(`${name} has no number: migrations are named like 0001_${name}`);
    else byNumber.set(Number(digits), [...(byNumber.get(Number(digits)) ?? []), name]);
  }
  const groups = [...byNumber.entries()].sort(([left], [right]) => left - right);
  for (const [number, names] of groups) {
    if (names.length > 1) mistakes.push(`${names.join(" and ")} have the same number ${number}`);
  }
  return { names: groups.flatMap(([, names]) => names), mistakes };
}
