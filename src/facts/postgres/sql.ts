/** A name for SQL text: `"dx_owner"`. PostgreSQL manual 4.1.1. @throws RangeError for a NUL byte */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0")) throw new RangeError("an SQL name cannot hold a NUL byte");
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string constant for SQL text; holds whatever standard_conforming_strings says. PostgreSQL manual 4.1.2. */
export function quoteLiteral(value: string): string {
  if (value.includes("\0")) throw new RangeError("an SQL string cannot hold a NUL byte");
  const quoted = `'${value.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return value.includes("\\") ? ` E${quoted}` : quoted;
}
