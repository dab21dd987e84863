import { CommanderError } from "commander";
import { exitCodes, formatError, HostkitError } from "../../errors.ts";
import { labSystemNames } from "../../lab/systems.ts";
import { fitForTerminal, plainText } from "../../report/terminal-text.ts";
import type { Context } from "../../session/context.ts";
import { answerOtherWord } from "./other-words.ts";
import { nameVerb } from "./command-tree.ts";
import { buildProgram } from "./program.ts";
import type { Terminal } from "../../session/terminal.ts";

/**
 * Runs one command line to its end.
 * @param words without the program's own name
 * @returns the exit code; see docs/exit-codes.md
 */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  let context: Context | undefined;
  let exitCode: number = exitCodes.ok;
  const program = buildProgram(terminal, {
    words,
    onContext: (made) => {
      context = made;
    },
    onExit: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(expandLab(words), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    if (error instanceof CommanderError && error.code === "commander.help") return exitCodes.usage;
    const verb = nameVerb(program, words);
    const known = await explain(error, context, verb);
    const code = exitCodeOf(known, verb);
    await report(known, code, words, context, terminal);
    return code;
  }
}

/** Without those of a program that is to be run. */
function ownWords(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end < 0 ? words : words.slice(0, end);
}

/** `--lab` alone means any; commander would take whatever word is behind it for its value, not only a release's. */
function expandLab(words: readonly string[]): string[] {
  const end = words.indexOf("--");
  const isLab = (index: number): boolean => words[index] === "--lab" && (end < 0 || index < end);
  // Also one that the lab does not have: it is told so.
  const isRelease = (word = ""): boolean => /^[a-z]+-[\d.]+$/.test(word) && isOfLab(word);
  return words.flatMap((word, index) => {
    if (isLab(index - 1) && isRelease(word)) return [];
    if (!isLab(index)) return [word];
    const next = words[index + 1];
    return [`--lab=${isRelease(next) ? next : "any"}`];
  });
}

/** Whether the lab has a system of that distribution. */
function isOfLab(word: string): boolean {
  const distribution = word.replace(/[\d.]+$/, "");
  return labSystemNames.some((name) => name.startsWith(distribution));
}

/**
 * Who asks `plan` wants to tell three cases apart: nothing (0), changes (2), no answer (1). Who runs a command wants its status, and
 * to see that it is not hostkit's.
 */
function exitCodeOf({ exitCode }: HostkitError, verb: string): number {
  if (exitCode === exitCodes.interrupted) return exitCode;
  if (verb === "plan") return exitCodes.failed;
  return verb === "exec" || verb === "run" ? exitCodes.notBegun : exitCode;
}

async function explain(
  error: unknown,
  context: Context | undefined,
  verb: string,
): Promise<HostkitError> {
  if (error instanceof HostkitError) return error;
  if (error instanceof CommanderError) return explainUsage(error, verb);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const opened = await context?.openLog().catch(() => undefined);
  const log = opened?.file === "" ? undefined : opened;
  log?.error("unexpected error", { stack });
  return new HostkitError(
    "internal",
    {
      what: `hostkit itself failed: ${error instanceof Error ? error.message : String(error)}`,
      why: "this is a defect in hostkit, not in your manifest",
      ...(log === undefined || context?.options.verbose === true
        ? {
            details: stack
              .split("\n")
              .slice(1, 12)
              .map((line) => line.trim()),
          }
        : {}),
      next:
        log === undefined
          ? "report it with these lines"
          : `report it with the log ${log.file} (secrets are taken out of it)`,
    },
    { cause: error },
  );
}

function explainUsage(error: CommanderError, verb: string): HostkitError {
  const [what = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const unknown = /^unknown command '([^']*)'/.exec(what)?.[1];
  const answer = unknown === undefined ? undefined : answerOtherWord(unknown);
  if (answer !== undefined) return new HostkitError("usage", { what, ...answer });
  const hint = rest.join(" ").trim();
  return new HostkitError("usage", {
    what,
    ...(hint === "" ? {} : { why: hint.replace(/^\((.*)\)$/, "$1") }),
    next: `hostkit ${verb === "" ? "" : `${verb} `}--help`,
  });
}

async function report(
  error: HostkitError,
  exitCode: number,
  words: readonly string[],
  context: Context | undefined,
  terminal: Terminal,
): Promise<void> {
  const hide = (text: string) => context?.redactor.hide(text) ?? text;
  const fit = (text: string) => hide(fitForTerminal(hide(text)));
  const log =
    context?.logFile() === undefined ? undefined : await context.openLog().catch(() => undefined);
  if (log !== undefined) {
    log.error(error.parts.what, {
      code: error.code,
      ...error.parts,
      cause: error.cause instanceof Error ? error.cause.message : undefined,
    });
  }
  if (context?.options.json ?? ownWords(words).includes("--json")) {
    const { what, where, why, next, details } = error.parts;
    const shown = { code: error.code, exitCode, what, where, why, next, details };
    terminal.stdout.write(`${fit(JSON.stringify({ error: shown }))}\n`);
    return;
  }
  // Details may be a host's own log lines: nothing in them may steer the terminal.
  const text = formatError(error).split("\n").map(plainText).join("\n");
  const [first = "", ...rest] = hide(text).split("\n");
  const colors = context?.errorColors;
  const title =
    colors === undefined ? first : first.replace(/^error:/, colors.bold(colors.red("error:")));
  terminal.stderr.write(`${fit([title, ...rest].join("\n"))}\n`);
}
