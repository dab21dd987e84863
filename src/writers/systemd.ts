import { refuseForSystemd, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/**
 * Values of unit files: systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers"; systemd.service(5), "Command lines".
 * `%` begins a specifier everywhere, `$` a variable only in command lines.
 */
export type SystemdValue = Written<"systemd">;

/** One value up to the end of its line, for settings that take text as it is (Description=, OnCalendar=). */
export function systemdText(value: string): SystemdValue {
  refuseForSystemd(value);
  if (value !== value.trim()) throw new UnwritableError("systemd drops blanks at its ends");
  if (value.endsWith("\\"))
    throw new UnwritableError("systemd joins a line that ends in a backslash with the next one");
  return written("systemd", value.replaceAll("%", "%%"));
}

/** A name that needs no quoting anywhere: units, users, groups, capabilities; several are separated by blanks. */
export function systemdNames(names: string | readonly string[]): SystemdValue {
  const list = typeof names === "string" ? [names] : names;
  for (const name of list) {
    if (!/^[A-Za-z0-9:_.@/-]+$/.test(name))
      throw new UnwritableError(
        `${JSON.stringify(name)} is no name that needs no quoting in a unit`,
      );
  }
  return written("systemd", list.join(" "));
}

/**
 * A path in a list that is split at blanks (ReadWritePaths=, ExecSearchPath= takes no list of this kind).
 * @param prefix "-": it may be missing
 */
export function systemdListPath(path: string, prefix: "" | "-" = ""): SystemdValue {
  refuseForSystemd(path);
  if (!path.startsWith("/")) throw new UnwritableError("it is no absolute path");
  return written("systemd", quoteListWord(`${prefix}${path}`));
}

/** Outside of commands quotes know two escapes that mean the same with and without C unescaping: \\ and \". */
function quoteListWord(word: string): string {
  const escaped = word.replaceAll("%", "%%");
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(escaped)) return escaped;
  return `"${escaped.replace(/[\\"]/g, "\\$&")}"`;
}

/** A path that is a setting's whole value (EnvironmentFile=, WorkingDirectory=) or the end of one (LoadCredential=NAME:…). */
export function systemdPath(path: string): SystemdValue {
  refuseForSystemd(path);
  if (!path.startsWith("/")) throw new UnwritableError("it is no absolute path");
  return systemdText(path);
}

/** What systemd takes off the first word of a command line, quoted or not: `+` and `!` would run it with more rights. */
const execPrefix = /^[@:+!|-]/;

/**
 * One command line from words: `%` and `$` stand for themselves, everything unusual is quoted.
 * @throws UnwritableError for a program that systemd would read as a prefix or a variable
 */
export function systemdExec(words: readonly string[]): SystemdValue {
  const [program = "", ...rest] = words;
  const wrong = refuseProgram(program);
  if (wrong !== undefined) throw new UnwritableError(wrong);
  for (const word of words) refuseForSystemd(word, "\n\t\r");
  return written("systemd", [quoteExecWord(program), ...rest.map(quoteExecWord)].join(" "));
}

/** Why a word cannot be the program of a command line; undefined: it can. */
export function refuseProgram(program: string): string | undefined {
  if (program === "") return "the program has no name";
  if (execPrefix.test(program))
    return `systemd reads ${program[0]} in front of a program as a prefix, not as part of its name`;
  // src/basic/string-util.c, string_is_safe; a dollar sign would stand for itself in the path and be doubled in argv[0].
  if (/[\u0000-\u001f\u007f"'\\$]/.test(program))
    return "the path of a program in a unit has no quotes, backslashes, dollar signs and control characters";
  if (program !== program.trimEnd()) return "systemd drops blanks at the end of a program's path";
  if (program.endsWith("/")) return "it is a folder, not a program";
  return undefined;
}

function quoteExecWord(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[A-Za-z0-9_@%+=:,./$-]+$/.test(escaped)) return escaped;
  const inner = escaped
    .replace(/[\\"]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
  return `"${inner}"`;
}
