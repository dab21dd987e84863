import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * postgresql.conf (manual 20.1.2): a value in single quotes, in which a quote is doubled and a backslash begins an escape.
 * @throws UnwritableError
 */
export function postgresSetting(value: string): Written<"postgres-conf"> {
  refuseControl(value, "\n\t\r");
  const escaped = value
    .replaceAll("\\", "\\\\")
    .replaceAll("'", "''")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
  return written("postgres-conf", `'${escaped}'`);
}

/** Name of a setting: `shared_buffers`, `pg_stat_statements.max`. */
export function postgresSettingName(name: string): Written<"postgres-conf"> {
  if (!/^[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)?$/.test(name))
    throw new UnwritableError("it is no name of a setting");
  return written("postgres-conf", name);
}

/**
 * One word of pg_hba.conf or pg_ident.conf (manual 21.1): in quotes no name is a keyword (`all`, `sameuser`), and a quote
 * is doubled. A slash in front makes a pattern of the rest, quoted or not.
 * @throws UnwritableError
 */
export function postgresHbaWord(name: string): string {
  refuseControl(name);
  if (name.startsWith("/") || name.startsWith("+"))
    throw new UnwritableError(
      `PostgreSQL reads ${name[0]} in front of a name as a pattern or a group`,
    );
  return `"${name.replaceAll('"', '""')}"`;
}
