import type { TableName } from "./part.ts";

/** One name, as in SQL: plain, or in double quotes. */
const part = String.raw`"(?:[^"\x00-\x1f]|"")+"|[^".\x00-\x1f\s]+`;
const form = new RegExp(`^(?:(${part})[.])?(${part})$`, "u");

/**
 * `public.spots`, `spots`, `"My Schema"."Spots"`: what stands without quotes is read in lower case, as PostgreSQL does.
 * @returns undefined for what is no name
 */
export function parseTableName(text: string): Partial<TableName> | undefined {
  const match = form.exec(text.trim());
  if (match === null) return undefined;
  const [, schema, name = ""] = match;
  return { ...(schema === undefined ? {} : { schema: unquote(schema) }), name: unquote(name) };
}

function unquote(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word.toLowerCase();
}

/** A table as one writes it, quoted where it has to be. */
export function writeTableName({ schema, name }: TableName): string {
  return [schema, name]
    .map((word) => (/^[a-z_][a-z0-9_$]*$/.test(word) ? word : `"${word.replaceAll('"', '""')}"`))
    .join(".");
}
