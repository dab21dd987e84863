import { HostkitError } from "../errors.ts";

/** How hostkit asks the person in front of it. Answers are never logged. */
export interface Prompts {
  /** False without a terminal: then nothing may be asked, and callers fail with a hint instead. */
  readonly isInteractive: boolean;
  /** A yes/no question; the default answer is no. */
  confirm(question: string): Promise<boolean>;
  /** A question whose answer is not shown while it is typed. */
  secret(question: string): Promise<string>;
  /**
   * Answers that proved right, kept in memory only: a reconnect asks nothing twice. Without it nothing is remembered.
   * Names are `passphrase FILE`, `password USER@HOST:PORT`, `sudo USER@HOST:PORT`, `host key NAME`.
   */
  readonly memory?: Map<string, string>;
}

/** Prompts for a run without a terminal: asking is a defect of the caller. */
export const silentPrompts: Prompts = {
  isInteractive: false,
  confirm: (question) => Promise.reject(noTerminal(question)),
  secret: (question) => Promise.reject(noTerminal(question)),
};

/**
 * Prompts on the terminal. They are written to stderr, because stdout may be a JSON stream, and one after the other,
 * because several hosts may be connected at once.
 */
export function createTerminalPrompts(
  input: NodeJS.ReadStream = process.stdin,
  output: NodeJS.WriteStream = process.stderr,
): Prompts {
  if (!input.isTTY || !output.isTTY) return silentPrompts;
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(ask: () => Promise<T>): Promise<T> => {
    const answer = queue.then(ask).catch(rethrowCancel);
    queue = answer.catch(() => undefined);
    return answer;
  };
  return {
    isInteractive: true,
    memory: new Map(),
    confirm: (message) =>
      inTurn(async () => {
        const { confirm } = await import("@inquirer/prompts");
        return await confirm({ message, default: false }, { input, output });
      }),
    secret: (message) =>
      inTurn(async () => {
        const { password } = await import("@inquirer/prompts");
        return await password({ message, toggleMask: false }, { input, output });
      }),
  };
}

function rethrowCancel(error: unknown): never {
  if (
    error instanceof Error &&
    (error.name === "ExitPromptError" || error.name === "AbortPromptError")
  ) {
    throw new HostkitError(
      "run_interrupted",
      { what: "the question was not answered" },
      { cause: error },
    );
  }
  throw error;
}

function noTerminal(question: string): HostkitError {
  return new HostkitError("usage", {
    what: "there is no terminal to ask on",
    why: question,
    next: "run hostkit on a terminal",
  });
}
