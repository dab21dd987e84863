import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import type { AgentInboundRequest, ParsedKey } from "ssh2";
import type { Prompts } from "../../src/ssh/prompts.ts";
import type { ConnectOptions } from "../../src/ssh/destination.ts";

/** A home for one test: nothing of the machine's own SSH set-up is read. */
export interface SshHome {
  readonly path: string;
  /** Writes a file in it (0600) and gives its path. */
  write(name: string, text: string): string;
  options(more?: Partial<ConnectOptions>): ConnectOptions;
  remove(): void;
}

/** Prompts with the answers given beforehand; every question is kept. An unexpected question throws. */
export interface ScriptedPrompts extends Prompts {
  readonly questions: string[];
}

/** @param answers in the order of the questions */
export function scriptedPrompts(...answers: readonly (string | boolean)[]): ScriptedPrompts {
  const left = [...answers];
  const questions: string[] = [];
  const answer = <T extends string | boolean>(
    question: string,
    type: "string" | "boolean",
  ): Promise<T> => {
    questions.push(question);
    const next = left.shift();
    if (typeof next !== type) return Promise.reject(new Error(`unexpected question: ${question}`));
    return Promise.resolve(next as T);
  };
  return {
    isInteractive: true,
    memory: new Map(),
    questions,
    confirm: (question) => answer<boolean>(question, "boolean"),
    secret: (question) => answer<string>(question, "string"),
  };
}

export function makeSshHome(): SshHome {
  const path = mkdtempSync(join(tmpdir(), "hostkit-ssh-"));
  const noTerminal: Prompts = {
    isInteractive: false,
    confirm: () => Promise.reject(new Error("asked without a terminal")),
    secret: () => Promise.reject(new Error("asked without a terminal")),
  };
  return {
    path,
    write: (name, text) => {
      writeFileSync(join(path, name), text, { mode: 0o600 });
      return join(path, name);
    },
    options: (more = {}) => ({
      prompt: noTerminal,
      environment: { HOME: path, USER: "tester" },
      sshDirectory: path,
      systemSshDirectory: join(path, "etc"),
      ...more,
    }),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** An SSH agent on a socket in a folder, holding private keys; `used` counts its signatures. */
export async function startAgent(
  folder: string,
  privateKeys: readonly string[],
): Promise<{ readonly socket: string; readonly used: () => number; close(): Promise<void> }> {
  const keys = privateKeys.map((text) => ssh2.utils.parseKey(text) as ParsedKey);
  const socket = join(folder, "agent.sock");
  let used = 0;
  const server = createServer((stream) => {
    const protocol = new ssh2.AgentProtocol(false);
    protocol.on("identities", (request: AgentInboundRequest) =>
      protocol.getIdentitiesReply(request, keys),
    );
    protocol.on(
      "sign",
      (
        request: AgentInboundRequest,
        publicKey: ParsedKey,
        data: Buffer,
        options: { hash?: string },
      ) => {
        const key = keys.find((one) => one.getPublicSSH().equals(publicKey.getPublicSSH()));
        const signature = key?.sign(data, options.hash);
        if (signature === undefined || signature instanceof Error)
          return protocol.failureReply(request);
        used++;
        protocol.signReply(request, signature);
      },
    );
    stream.on("error", () => undefined);
    protocol.on("error", () => undefined);
    stream.pipe(protocol).pipe(stream);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    used: () => used,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
