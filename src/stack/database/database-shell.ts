import { psqlProgram, quoteServerOption } from "../../facts/postgres/psql.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/** A psql for a person. */
export interface DatabaseShell {
  /** The host's name in the manifest; shown in the prompt. */
  readonly host: string;
  readonly major: number;
  readonly database: string;
  /** `postgres` is the superuser. */
  readonly role: string;
  /** Every transaction is READ ONLY until somebody says otherwise. */
  readonly readOnly: boolean;
  /** "prompt": for a person who types; "bare": one value, unaligned, for programs. */
  readonly format: "prompt" | "table" | "csv" | "bare";
  /** What comes on standard input is a file: errors name its lines. */
  readonly isFile?: boolean;
}

/**
 * Starts psql on the host in the place of the shell. The login is the superuser's, over the socket; the role is set by the
 * session itself, so that roles without a login can be had and what is made belongs to them. `reset role` does not leave it,
 * `set role none` does: it keeps from mistakes, not from harm.
 */
export function renderDatabaseShell(shell: DatabaseShell): Script {
  const { major, database, role, readOnly, format } = shell;
  const settings = [
    ...(role === "postgres" ? [] : ["-c", `role=${role}`]),
    ...(readOnly ? ["-c", "default_transaction_read_only=on"] : []),
  ];
  const options = settings.map(quoteServerOption).join(" ");
  const prompt = `%/ on ${shell.host} as ${role}${readOnly ? ", read only" : ""}`.replaceAll(
    /%(?!\/)/g,
    "%%",
  );
  const variables = [
    ...["-v", `PROMPT1=${prompt} %R%x> `],
    ...["-v", `PROMPT2=${prompt} %R%x> `],
    ...["-v", "COMP_KEYWORD_CASE=preserve-lower"],
  ];
  const flags = {
    prompt: sh`${variables}`,
    table: sh`-X -v ON_ERROR_STOP=1`,
    csv: sh`-X --csv -v ON_ERROR_STOP=1`,
    bare: sh`-XAtq -v ON_ERROR_STOP=1`,
  }[format];
  return sh`cd /var/lib/postgresql && export HOME=/var/lib/postgresql USER=postgres LOGNAME=postgres LANG=C.UTF-8 PGCLIENTENCODING=UTF8 PGAPPNAME=hostkit PGOPTIONS=${options} && exec ${psqlProgram(major, flags)} -d ${database}${shell.isFile === true ? sh` -f -` : sh``}`;
}
