import path from "node:path";
import { HostkitError } from "../errors.ts";
import { createTerminalPrompts, silentPrompts } from "../ssh/prompts.ts";
import type { Prompts } from "../ssh/prompts.ts";
import { explainFileError } from "../local/paths.ts";
import { makeColors } from "../report/colors.ts";
import type { Colors } from "../report/colors.ts";
import { logDirectoryOf, logNameOf, openLog, pruneLogs, silentLog } from "../report/log.ts";
import type { Log } from "../report/log.ts";
import { createRedactor } from "../report/redact.ts";
import type { Redactor } from "../report/redact.ts";
import { fitForTerminal, plainText } from "../report/terminal-text.ts";
import { createTimings } from "../report/timings.ts";
import type { Timings } from "../report/timings.ts";
import type { Terminal } from "./terminal.ts";

/** Options that every verb takes. */
export interface CommonOptions {
  readonly file?: string;
  readonly host?: readonly string[];
  /** A system of the lab, or "any": as the twin is, else the usual one. */
  readonly lab?: string;
  readonly acceptNewHostKey?: boolean;
  readonly json?: boolean;
  /** false: `--no-color`. */
  readonly color?: boolean;
  readonly verbose?: boolean;
  readonly log?: string;
  /** `--timings`: true, or the file that takes the trace. */
  readonly timings?: boolean | string;
}

/** What a verb works with. */
export interface Context {
  readonly verb: string;
  readonly terminal: Terminal;
  readonly options: CommonOptions;
  /** For stdout and for stderr. */
  readonly colors: Colors;
  readonly errorColors: Colors;
  readonly redactor: Redactor;
  readonly prompts: Prompts;
  /** What took how long. */
  readonly timings: Timings;
  /** Writes to stdout; secrets are taken out, and what could steer a terminal. */
  print(text: string): void;
  /** A line for a person who watches; to stderr. */
  note(text: string): void;
  /** The log file, opened at the first call. */
  openLog(): Promise<Log>;
  /** The log's path once it is open. */
  logFile(): string | undefined;
}

export function createContext(verb: string, options: CommonOptions, terminal: Terminal): Context {
  const redactor = createRedactor();
  const isInteractive = terminal.stdin === process.stdin;
  let log: Promise<Log> | undefined;
  let file: string | undefined;
  // Before and after: a secret must not get through because of a control character in it.
  const fit = (text: string) => redactor.hide(fitForTerminal(redactor.hide(text)));
  const note = (text: string) => void terminal.stderr.write(`${fit(text)}\n`);
  return {
    verb,
    terminal,
    options,
    colors: makeColors(terminal.stdout, terminal.environment, options.color),
    errorColors: makeColors(terminal.stderr, terminal.environment, options.color),
    redactor,
    prompts: isInteractive ? fittingPrompts(createTerminalPrompts()) : silentPrompts,
    // Zero is the start of the process.
    timings: createTimings(() => performance.now()),
    print: (text) => void terminal.stdout.write(`${fit(text)}\n`),
    note,
    openLog() {
      const folder = logDirectoryOf(terminal.environment);
      const named = options.log ?? path.join(folder, logNameOf(verb, new Date()));
      file ??= path.resolve(terminal.workingDirectory, named);
      log ??= openLog({ file, redactor })
        .catch((cause: unknown) => {
          if (options.log !== undefined) throw explainUnwritable(options.log, cause);
          // Nobody should be kept from working by a full or missing home.
          note(`no log is kept: ${file} cannot be written: ${explainFileError(cause)}`);
          return silentLog;
        })
        .then(async (opened) => {
          if (options.log === undefined) await pruneLogs(folder);
          return options.verbose === true ? echoDebug(opened, note) : opened;
        });
      return log;
    },
    logFile: () => file,
  };
}

function explainUnwritable(log: string, cause: unknown): HostkitError {
  const what = `the log file ${log} cannot be written`;
  return new HostkitError("usage", { what, why: explainFileError(cause) }, { cause });
}

/** Questions that a host thought up (keyboard-interactive) are text of a host like any other. */
function fittingPrompts(prompts: Prompts): Prompts {
  const cut = (question: string) => plainText(question).slice(0, 400);
  return {
    ...prompts,
    confirm: (question) => prompts.confirm(cut(question)),
    secret: (question) => prompts.secret(cut(question)),
  };
}

/** --verbose: what the log is told is shown as well. */
function echoDebug(log: Log, note: (text: string) => void): Log {
  return {
    ...log,
    debug(message, data) {
      note(`debug: ${message}${data === undefined ? "" : ` ${JSON.stringify(data)}`}`);
      log.debug(message, data);
    },
  };
}
