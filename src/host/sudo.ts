import { randomBytes } from "node:crypto";
import { HostkitError } from "../errors.ts";
import { quoteWord } from "../shell/quote.ts";
import type { ConnectOptions, ExecOptions, ExecResult, HostTarget } from "./connection.ts";
import { type ExecRequest, runOnLink } from "./exec.ts";
import type { Link } from "./link.ts";

/** How commands become root's. */
export type Root =
  | { readonly kind: "already" }
  | { readonly kind: "sudo" }
  | { readonly kind: "password"; readonly password: string };

/** Above this a script goes over stdin: one argument of execve(2) ends at 128 KiB, and quoting needs room. */
const maxArgumentBytes = 100_000;
const passwordPrompt = "hostkit-asks-for-the-password";
const attempts = 3;

/**
 * What to send for shell text that is to run as root. Short text of root's own travels as an argument (one round trip
 * less). Everything else travels on stdin ahead of the payload, so that sudo does not write it into the host's log and
 * no length limit applies: `dd` takes exactly the script's bytes and leaves the rest to the script.
 */
export function composeRequest(root: Root, shellText: string): ExecRequest {
  if (root.kind === "already" && Buffer.byteLength(shellText) * 1.2 < maxArgumentBytes) {
    return { command: `sh -c ${quoteWord(shellText)}` };
  }
  // The braces make a script that was cut short a syntax error instead of half a script.
  const script = Buffer.from(`{\n${shellText}\n}\n`);
  const take = `eval "$(dd bs=${script.length} count=1 iflag=fullblock 2>/dev/null)"`;
  if (root.kind === "already") return { command: `sh -c ${quoteWord(take)}`, prefix: script };
  if (root.kind === "sudo") return { command: `sudo -n sh -c ${quoteWord(take)}`, prefix: script };
  // Where sudo asks for nothing (NOPASSWD since the connect), the password arrives as a line too many: it is read away up
  // to a mark. -k makes sudo ask even when it remembers an earlier answer.
  const mark = randomBytes(8).toString("hex");
  const skip = `read -r line; [ "$line" = ${mark} ] || read -r line; unset line; ${take}`;
  const head = Buffer.from(`${root.password}\n${mark}\n`);
  return {
    command: `sudo -k -S -p "" sh -c ${quoteWord(skip)}`,
    prefix: Buffer.concat([head, script]),
  };
}

/**
 * Finds out how to be root: nothing to do for root; else one exec, on which a password is asked for and tried as well.
 * @throws HostkitError sudo_failed
 */
export async function becomeRoot(
  link: Link,
  target: HostTarget,
  options: ConnectOptions,
): Promise<Root> {
  if (link.hop.user === "root" || target.sudo === false) return { kind: "already" };
  const dialogue = new SudoDialogue(link, target, options);
  return await dialogue.run();
}

class SudoDialogue {
  readonly #link: Link;
  readonly #target: HostTarget;
  readonly #options: ConnectOptions;
  #stderr = "";
  #asked = 0;
  #password: string | undefined;
  readonly #nameInMemory: string;
  #refusal: unknown;

  constructor(link: Link, target: HostTarget, options: ConnectOptions) {
    this.#link = link;
    this.#target = target;
    this.#options = options;
    this.#nameInMemory = `sudo ${link.hop.user}@${link.hop.address}:${link.hop.port}`;
  }

  async run(): Promise<Root> {
    const { PassThrough } = await import("node:stream");
    const answers = new PassThrough();
    const result = await this.#exec(answers);
    if (this.#refusal !== undefined) throw this.#refusal;
    if (result.code === 0 && /^nopasswd$/m.test(result.stdout)) return { kind: "sudo" };
    if (result.code === 0 && /^root$/m.test(result.stdout)) {
      if (this.#password === undefined) return { kind: "sudo" };
      this.#options.prompt.memory?.set(this.#nameInMemory, this.#password);
      return { kind: "password", password: this.#password };
    }
    throw this.#explain(result);
  }

  #exec(answers: NodeJS.ReadableStream & NodeJS.WritableStream): Promise<ExecResult> {
    const probe =
      this.#target.sudo === "password"
        ? ""
        : "if sudo -n sh -c : 2>/dev/null; then echo nopasswd; exit; fi; ";
    const ask = `exec sudo -k -S -p ${passwordPrompt} sh -c "echo root"`;
    const check = "command -v sudo >/dev/null || exit 127; ";
    const execOptions: ExecOptions = {
      stdin: answers,
      onStderr: (chunk) => {
        this.#stderr += chunk.toString("utf8");
        this.#answer(answers);
      },
    };
    const command = `sh -c ${quoteWord(`LC_ALL=C; export LC_ALL; ${check}${probe}${ask}`)}`;
    return runOnLink(this.#link, { command }, execOptions);
  }

  /** Answers each prompt that sudo has written since the last look. */
  #answer(answers: NodeJS.WritableStream): void {
    const prompts = this.#stderr.split(passwordPrompt).length - 1;
    if (prompts <= this.#asked) return;
    this.#asked = prompts;
    const { prompt } = this.#options;
    const remembered = prompt.memory?.get(this.#nameInMemory);
    if (remembered !== undefined) {
      // Once: where it does not fit any more, the next question goes to the user.
      prompt.memory?.delete(this.#nameInMemory);
      this.#password = remembered;
      answers.write(`${remembered}\n`);
      return;
    }
    if (!prompt.isInteractive || prompts > attempts) {
      answers.end();
      return;
    }
    const user = this.#link.hop.user;
    const again = prompts === 1 ? "" : "That was not it. ";
    prompt.secret(`${again}Password of ${user} on ${this.#target.name}, for sudo:`).then(
      (password) => {
        this.#password = password;
        answers.write(`${password}\n`);
      },
      (error: unknown) => {
        this.#refusal = error;
        answers.end();
      },
    );
  }

  #explain(result: ExecResult): HostkitError {
    const user = this.#link.hop.user;
    const said = this.#stderr
      .replaceAll(passwordPrompt, "")
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("sudo:") || line.includes(user));
    const make = (what: string, why: string, next: string): HostkitError =>
      new HostkitError("sudo_failed", {
        what,
        where: `${user}@${this.#link.hop.address}:${this.#link.hop.port}`,
        why,
        next,
        ...(said.length > 0 && { details: said }),
      });
    const name = this.#target.name;
    if (result.code === 127) {
      return make(
        `${user} is not root on ${name}, and there is no sudo`,
        "the program sudo is not installed",
        `log in as root (user: root), or as root on the host: apt-get install sudo && adduser ${user} sudo`,
      );
    }
    if (/not in the sudoers|not allowed to|may not run/i.test(this.#stderr)) {
      return make(
        `${user} may not become root on ${name}`,
        "sudoers does not let this user run sh as root",
        `as root on the host: adduser ${user} sudo`,
      );
    }
    if (this.#asked > 0 && !this.#options.prompt.isInteractive) {
      return make(
        `sudo on ${name} wants a password`,
        "there is no terminal to ask on",
        `run hostkit on a terminal, or let ${user} use sudo without one (NOPASSWD)`,
      );
    }
    if (this.#asked > 0) {
      return make(
        `sudo on ${name} does not take the password`,
        `${attempts} attempts were refused`,
        `check the password of ${user} on the host`,
      );
    }
    return make(
      `sudo on ${name} fails`,
      said[0] ?? `it ended with status ${result.code ?? result.signal ?? "unknown"}`,
      `try it by hand: ssh ${user}@${this.#link.hop.address} sudo -v`,
    );
  }
}

const sudoRefusal =
  /^sudo: (a password is required|no password was provided|a terminal is required|\d+ incorrect password|sorry,|.*(not in the sudoers|not allowed|may not run|expired))/m;

/** True for the reply of a sudo that did not even start the script. */
export function isSudoRefusal(root: Root, result: ExecResult): boolean {
  return (
    root.kind !== "already" &&
    result.code === 1 &&
    result.stdout === "" &&
    sudoRefusal.test(result.stderr)
  );
}

/** The error for such a reply: sudo worked at connect and does no longer. */
export function explainSudoRefusal(link: Link, host: string, result: ExecResult): HostkitError {
  return new HostkitError("sudo_failed", {
    what: `sudo on ${host} does not let ${link.hop.user} become root any more`,
    where: `${link.hop.user}@${link.hop.address}:${link.hop.port}`,
    why: sudoRefusal.exec(result.stderr)?.[1] ?? "sudo refused",
    next: "connect again",
  });
}
