import { fitForTerminal } from "../report/terminal-text.ts";

/** What a command sees of the world outside; a test gives its own. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly workingDirectory: string;
  /** Calls the listener at each Ctrl-C instead of ending the process; the result takes it away again. */
  onInterrupt(listener: () => void): () => void;
}

type Output = Terminal["stdout"];

/** Once what was written has gone out; nothing where there is room for more. */
export function drained(stream: Output): Promise<void> | undefined {
  const { writableNeedDrain } = stream as { readonly writableNeedDrain?: boolean };
  if (writableNeedDrain !== true) return undefined;
  return new Promise((resolve) => stream.once("drain", resolve));
}

/** Passes bytes of a host on, no faster than they are taken; a terminal gets nothing that could steer it. */
export function passTo(stream: Output): (chunk: Buffer) => Promise<void> | undefined {
  const decoder = new TextDecoder();
  return (chunk) => {
    stream.write(
      stream.isTTY === true ? fitForTerminal(decoder.decode(chunk, { stream: true })) : chunk,
    );
    return drained(stream);
  };
}
