import type { Connection, ExecOptions, ExecResult } from "../../src/ssh/connection.ts";

/** One expected command and what the host says to it. */
export interface ScriptedReply {
  /** A text that the shell text holds, or a pattern it fits. */
  readonly match: RegExp | string;
  /** Missing parts: status 0 and no output. A function sees the shell text and its stdin; an Error is thrown. */
  readonly result?:
    | Partial<ExecResult>
    | Error
    | ((shellText: string, stdin: string) => Partial<ExecResult> | Promise<Partial<ExecResult>>);
  /** How often the reply may be used; for ever without it. */
  readonly times?: number;
}

/** A command that was run. */
export interface RecordedCommand {
  readonly shellText: string;
  readonly stdin: string;
}

/**
 * A Connection without a host: the first reply that fits answers, anything unexpected throws.
 * `lose()` ends it like a cut cable: what runs and what follows rejects with the error.
 */
export class ScriptedConnection implements Connection {
  readonly description: string;
  readonly host: string;
  readonly isFar: boolean = false;
  readonly closed: Promise<Error | undefined>;
  readonly commands: RecordedCommand[] = [];
  readonly #replies: { readonly reply: ScriptedReply; left: number }[];
  #end: (error: Error | undefined) => void = () => undefined;
  #ended: { readonly error: Error | undefined } | undefined;

  constructor(replies: readonly ScriptedReply[], host = "dx1") {
    this.host = host;
    this.description = `root@${host}.example.org:22`;
    this.#replies = replies.map((reply) => ({
      reply,
      left: reply.times ?? Number.POSITIVE_INFINITY,
    }));
    this.closed = new Promise((resolve) => {
      this.#end = (error) => {
        this.#ended ??= { error };
        resolve(error);
      };
    });
  }

  async exec(shellText: string, options: ExecOptions = {}): Promise<ExecResult> {
    if (this.#ended !== undefined)
      throw this.#ended.error ?? new Error(`${this.description} is closed`);
    options.signal?.throwIfAborted();
    const stdin = await readStdin(options.stdin);
    this.commands.push({ shellText, stdin });
    const found = this.#replies.find(({ reply, left }) => left > 0 && fits(reply.match, shellText));
    if (found === undefined) throw new Error(`ScriptedConnection did not expect: ${shellText}`);
    found.left--;
    const { result = {} } = found.reply;
    if (result instanceof Error) throw result;
    const answer = typeof result === "function" ? result(shellText, stdin) : result;
    const lost = this.closed.then((error) => {
      throw error ?? new Error(`${this.description} is closed`);
    });
    const full = {
      code: 0,
      signal: null,
      stdout: "",
      stderr: "",
      ...(await Promise.race([answer, lost])),
    };
    if (options.onStdout && full.stdout !== "") options.onStdout(Buffer.from(full.stdout));
    if (options.onStderr && full.stderr !== "") options.onStderr(Buffer.from(full.stderr));
    return {
      ...full,
      ...(options.onStdout && { stdout: "" }),
      ...(options.onStderr && { stderr: "" }),
    };
  }

  execOnTerminal(shellText: string): Promise<never> {
    return Promise.reject(new Error(`ScriptedConnection has no terminal for: ${shellText}`));
  }

  openTcp(): Promise<never> {
    return Promise.reject(new Error("ScriptedConnection reaches nobody"));
  }

  /** The link breaks. */
  lose(error: Error): void {
    this.#end(error);
  }

  close(): Promise<void> {
    this.#end(undefined);
    return Promise.resolve();
  }
}

function fits(match: RegExp | string, shellText: string): boolean {
  return typeof match === "string" ? shellText.includes(match) : new RegExp(match).test(shellText);
}

async function readStdin(stdin: ExecOptions["stdin"]): Promise<string> {
  if (stdin === undefined) return "";
  if (typeof stdin === "string") return stdin;
  if (stdin instanceof Uint8Array) return Buffer.from(stdin).toString("utf8");
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
