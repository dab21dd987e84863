import type { Script } from "../shell/script.ts";

/** The languages that templates of `templates/host` are written in, each with its writer in this room. */
export type Language =
  | "systemd"
  | "shell"
  | "postgres-conf"
  | "pgbackrest"
  | "nft"
  | "sshd"
  | "apt"
  | "modprobe"
  | "caddyfile";

/** Text that a writer made for one language. A plain string cannot stand where it is wanted. */
export interface Written<L extends Language = Language> {
  readonly language: L;
  readonly text: string;
}

/** For writers only: says that `text` is right in `language` wherever the writer's docstring says. */
export function written<L extends Language>(language: L, text: string): Written<L> {
  return { language, text };
}

/** A value that a language cannot hold. `message` completes "…: ". */
export class UnwritableError extends Error {
  override readonly name = "UnwritableError";
}

/** Characters by their name, for messages that cannot show them. */
export function nameCharacter(character: string): string {
  const known: Readonly<Record<string, string>> = {
    "\0": "a NUL byte",
    "\n": "a line break",
    "\r": "a carriage return",
    "\t": "a tabulator",
    "\u001b": "an escape character",
  };
  const code = character.codePointAt(0) ?? 0;
  return known[character] ?? `the control character U+${code.toString(16).padStart(4, "0")}`;
}

/**
 * Refuses what no argument, path or line can hold.
 * @param allowed control characters that this place can hold
 * @throws UnwritableError
 */
export function refuseControl(value: string, allowed = ""): void {
  const found = [...value].find(
    (one) => /[\u0000-\u001f\u007f]/.test(one) && !allowed.includes(one),
  );
  if (found !== undefined) throw new UnwritableError(`it holds ${nameCharacter(found)}`);
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value))
    throw new UnwritableError("it is not Unicode text");
}

/**
 * The same for systemd, whose texts have no noncharacters either: a unit with one in its environment file does not start
 * (systemd, src/basic/utf8.c, unichar_is_valid).
 * @throws UnwritableError
 */
export function refuseForSystemd(value: string, allowed = ""): void {
  refuseControl(value, allowed);
  const found = [...value].find((one) => /[\ufdd0-\ufdef]|\p{Noncharacter_Code_Point}/u.test(one));
  if (found !== undefined)
    throw new UnwritableError(
      `it holds U+${(found.codePointAt(0) ?? 0).toString(16)}, which systemd takes for no character`,
    );
}

/** The reason why a writer refuses a value; undefined: it does not. */
export function reasonToRefuse(write: () => unknown): string | undefined {
  try {
    write();
    return undefined;
  } catch (error) {
    if (error instanceof UnwritableError) return error.message;
    throw error;
  }
}

/** A shell script, quoted by the `sh` tag, as what a template of the shell takes. */
export function writtenShell(script: Script): Written<"shell"> {
  return written("shell", script.text);
}
