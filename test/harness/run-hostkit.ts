import { Writable } from "node:stream";
import { main } from "../../src/commands/line/main.ts";

export interface HostkitResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HostkitOptions {
  readonly workingDirectory: string;
  /** Nothing of the test's own environment is seen unless it is given here. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Is given a function that acts as Ctrl-C, once the command listens for it. */
  onListening?(interrupt: () => void): void;
  onStdout?(text: string): void;
}

/** Runs one command line of hostkit in this process, without a terminal. HOME and the like lie in the working directory. */
export async function runHostkit(
  words: readonly string[],
  options: HostkitOptions,
): Promise<HostkitResult> {
  const { workingDirectory } = options;
  const stdout = collect(options.onStdout);
  const stderr = collect();
  const exitCode = await main(words, {
    // Not this process's own: nothing may be asked.
    stdin: { isTTY: false } as NodeJS.ReadStream,
    stdout: stdout.stream,
    stderr: stderr.stream,
    environment: {
      HOME: workingDirectory,
      PATH: process.env["PATH"] ?? "",
      ...options.environment,
    },
    workingDirectory,
    onInterrupt(listener) {
      options.onListening?.(listener);
      return () => undefined;
    },
  });
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}

function collect(onText?: (text: string) => void) {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString("utf8");
      onText?.(chunk.toString("utf8"));
      done();
    },
  });
  return { stream, text: () => text };
}
