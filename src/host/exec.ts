import { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { HostkitError } from "../errors.ts";
import type { ExecOptions, ExecResult } from "./connection.ts";
import type { Link } from "./link.ts";

/** What goes to a command's standard input before the caller's own stdin. */
export interface ExecRequest {
  /** For the login shell of the user. */
  readonly command: string;
  readonly prefix?: Uint8Array;
}

/**
 * Runs one command on an open link. A status other than 0 is a result.
 * @throws HostkitError host_unreachable when the link is or gets lost, or after `timeoutMs`; run_interrupted on abort
 */
export function runOnLink(
  link: Link,
  request: ExecRequest,
  options: ExecOptions = {},
): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let channel: ClientChannel | undefined;
    let isSettled = false;
    let exit: { code: number | null; signal: string | null } | undefined;
    let timer: NodeJS.Timeout | undefined;

    const settle = (act: () => void): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      releaseStdin(options.stdin, channel);
      act();
    };
    const fail = (error: HostkitError): void => settle(() => reject(error));
    const stop = (error: HostkitError): void => {
      fail(error);
      closeChannel(channel);
    };
    const abort = (): void =>
      stop(
        new HostkitError(
          "run_interrupted",
          { what: `a command on ${link.hop.alias} was given up` },
          { cause: options.signal?.reason },
        ),
      );
    const lost = (cause?: unknown): HostkitError =>
      link.failure ??
      new HostkitError(
        "host_unreachable",
        {
          what: `${link.hop.alias} runs no more commands over this connection`,
          where: `${link.hop.address}:${link.hop.port}`,
          why:
            cause instanceof Error
              ? cause.message.replace(/^\(SSH\) /, "")
              : "the connection is closed",
        },
        { cause },
      );

    if (options.signal?.aborted === true) return abort();
    options.signal?.addEventListener("abort", abort, { once: true });
    if (options.timeoutMs !== undefined) {
      const limit = options.timeoutMs;
      timer = setTimeout(
        () =>
          stop(
            new HostkitError("host_unreachable", {
              what: `a command on ${link.hop.alias} took too long`,
              where: `${link.hop.address}:${link.hop.port}`,
              why: `it was not done within ${limit / 1000} s`,
            }),
          ),
        limit,
      );
    }
    void link.closed.then((failure) => fail(failure ?? lost()));

    try {
      link.client.exec(request.command, (error, opened) => {
        if (error) return fail(lost(error));
        channel = opened;
        opened.on("error", () => undefined);
        if (isSettled) return closeChannel(opened);
        opened.on("data", (chunk: Buffer) => {
          if (isSettled) return;
          if (options.onStdout) options.onStdout(chunk);
          else stdout.push(chunk);
        });
        opened.stderr.on("data", (chunk: Buffer) => {
          if (isSettled) return;
          if (options.onStderr) options.onStderr(chunk);
          else stderr.push(chunk);
        });
        opened.on(
          "exit",
          (code: number | null, signal?: string) => (exit = { code, signal: signal ?? null }),
        );
        opened.on("close", () =>
          settle(() => {
            // Without an exit status the channel did not end by itself.
            if (exit === undefined && link.failure !== undefined) return reject(link.failure);
            resolve({
              code: exit?.code ?? null,
              signal: exit?.signal ?? null,
              stdout: Buffer.concat(stdout).toString("utf8"),
              stderr: Buffer.concat(stderr).toString("utf8"),
            });
          }),
        );
        feedStdin(opened, request.prefix, options.stdin, (sourceError) =>
          stop(
            new HostkitError(
              "run_failed",
              {
                what: `the input of a command on ${link.hop.alias} broke off`,
                why: sourceError.message,
              },
              { cause: sourceError },
            ),
          ),
        );
      });
    } catch (error) {
      fail(lost(error));
    }
  });
}

function feedStdin(
  channel: ClientChannel,
  prefix: Uint8Array | undefined,
  stdin: ExecOptions["stdin"],
  onSourceError: (error: Error) => void,
): void {
  if (prefix !== undefined && prefix.length > 0) channel.write(prefix);
  if (stdin === undefined || stdin === "") {
    channel.end();
  } else if (typeof stdin === "string" || stdin instanceof Uint8Array) {
    channel.end(stdin);
  } else {
    stdin.once("error", onSourceError);
    // pipe() pauses the source while the SSH window is full.
    stdin.pipe(channel);
  }
}

function releaseStdin(stdin: ExecOptions["stdin"], channel: ClientChannel | undefined): void {
  if (stdin === undefined || typeof stdin === "string" || stdin instanceof Uint8Array) return;
  if (channel !== undefined) stdin.unpipe(channel);
  if (stdin instanceof Readable) stdin.destroy();
}

function closeChannel(channel: ClientChannel | undefined): void {
  if (channel === undefined) return;
  // The signal reaches a command of the login user; one of root's notices the closed channel.
  try {
    channel.signal("TERM");
    channel.close();
  } catch {
    // The link is gone already.
  }
}
