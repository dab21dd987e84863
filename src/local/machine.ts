import { access, constants, mkdir, readdir } from "node:fs/promises";
import { createConnection } from "node:net";
import path from "node:path";

/** What of this machine matters to hostkit. */
export interface Machine {
  readonly nodeVersion: string;
  /** Names in ~/.ssh that look like private keys. */
  readonly keys: readonly string[];
  /** "none": SSH_AUTH_SOCK is not set; "dead": it is, but nobody answers. */
  readonly agent: "none" | "dead" | "alive";
  readonly isRoot: boolean;
  readonly platform: string;
}

export async function inspectMachine(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Machine> {
  const names = await readdir(path.join(environment["HOME"] ?? "/", ".ssh")).catch(() => []);
  const socket = environment["SSH_AUTH_SOCK"] ?? "";
  return {
    nodeVersion: process.versions.node,
    keys: names.filter((name) => name.startsWith("id_") && !name.endsWith(".pub")).sort(),
    agent: socket === "" ? "none" : (await answers(socket)) ? "alive" : "dead",
    isRoot: process.geteuid?.() === 0,
    platform: process.platform,
  };
}

/** True where a folder can be written, or made. */
export async function isWritable(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: socketPath, timeout: 2000 });
    const settle = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => settle(true));
    socket.once("timeout", () => settle(false));
    socket.once("error", () => settle(false));
  });
}
