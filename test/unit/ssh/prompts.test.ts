import { PassThrough } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import { describe, expect, it } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { createTerminalPrompts } from "../../../src/ssh/prompts.ts";

/** Streams that pass for a terminal; `shown` is all that was written to it. */
function makeTerminal(isTTY = true): {
  input: ReadStream;
  output: WriteStream;
  type(text: string): void;
  shown(): string;
} {
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => input, isRaw: false });
  const output = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 });
  // A pipe ends its destination, but never the real stderr.
  output.end = () => output;
  let shown = "";
  output.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  return {
    input: input as unknown as ReadStream,
    output: output as unknown as WriteStream,
    type: (text) => void input.write(text),
    shown: () => shown,
  };
}

async function waitFor(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("questions on a terminal", () => {
  it("do not show a secret while it is typed", async () => {
    const terminal = makeTerminal();
    const prompts = createTerminalPrompts(terminal.input, terminal.output);
    const answer = prompts.secret("Passphrase for /k:");
    await waitFor(() => terminal.shown().includes("Passphrase for /k:"));
    terminal.type("correct horse");
    terminal.type("\r");
    expect(await answer).toBe("correct horse");
    expect(terminal.shown()).not.toMatch(/correct|horse/);
  });

  it("take yes for yes, and the empty answer for no", async () => {
    for (const [typed, trusted] of [
      ["y\r", true],
      ["\r", false],
    ] as const) {
      const terminal = makeTerminal();
      const answer = createTerminalPrompts(terminal.input, terminal.output).confirm(
        "Trust this key?",
      );
      await waitFor(() => terminal.shown().includes("Trust this key?"));
      terminal.type(typed);
      expect(await answer).toBe(trusted);
    }
  });

  it("come one after the other", async () => {
    const terminal = makeTerminal();
    const prompts = createTerminalPrompts(terminal.input, terminal.output);
    const answers = [prompts.secret("first?"), prompts.secret("second?")];
    await waitFor(() => terminal.shown().includes("first?"));
    expect(terminal.shown()).not.toContain("second?");
    terminal.type("1\r");
    await waitFor(() => terminal.shown().includes("second?"));
    terminal.type("2\r");
    expect(await Promise.all(answers)).toEqual(["1", "2"]);
  });

  it("end the run on Ctrl-C", async () => {
    const terminal = makeTerminal();
    const answer = createTerminalPrompts(terminal.input, terminal.output).secret("Password:");
    await waitFor(() => terminal.shown().includes("Password:"));
    const outcome = answer.catch((error: unknown) => error);
    terminal.type("\u0003");
    expect(await outcome).toMatchObject({ code: "run_interrupted" });
  });

  it("are not asked without a terminal", async () => {
    const terminal = makeTerminal(false);
    const prompts = createTerminalPrompts(terminal.input, terminal.output);
    expect(prompts.isInteractive).toBe(false);
    await expect(prompts.secret("Password:")).rejects.toBeInstanceOf(HostkitError);
    expect(terminal.shown()).toBe("");
  });
});
