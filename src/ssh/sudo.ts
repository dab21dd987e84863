import { randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { gzipSync } from "node:zlib";
import { HostkitError } from "../errors.ts";
import { renderCommandLine } from "../shell/login-shell.ts";
import { quoteWord } from "../shell/quote.ts";
import type { ExecOptions, ExecResult } from "./connection.ts";
import type { ConnectOptions, Destination } from "./destination.ts";
import { type ExecRequest, runOnLink, type RunResult, tooMuch } from "./exec.ts";
import type { Link } from "./link.ts";
import { explainLoginShell } from "./login-shell.ts";

/** How commands become root's. */
export type Root =
  | { readonly kind: "already" }
  | { readonly kind: "sudo" }
  | { readonly kind: "password"; readonly password: string };

/** Above this a script goes over stdin: every SSH server takes packets of 35,000 bytes, few must take more (RFC 4253 section 6.1). */
const maxArgumentBytes = 32_000;
/** Ten packets of 1,448 bytes, less what SSH and the request itself take. */
const firstBytes = 13_000;
/** Written by the dialogue's own script before it calls sudo. */
const wanted = "hostkit-sudo-wants-a-password";
/** What sudo shows when it reads a password: SUDO_PROMPT, which sudo-rs before 0.2.8 does not know. */
const prompted = "hostkit-sudo-reads-a-password";
const promptPattern = new RegExp(
  `\\[sudo: [^\\]]*\\] Password:|${prompted}(?: of [^\\s:]+:)?`,
  "g",
);
/** Whose password it is: with targetpw, rootpw or runaspw not that of the user who logged in. sudoers(5) %p. */
const askedOf = new RegExp(`${prompted} of ([^\\s:%]+):`, "g");
const attempts = 3;
/** Written before anything else: the login shell runs what it is sent. */
const begun = "hostkit-begins";
/** Milliseconds until a question counts as asked whose words nobody knows (`passprompt_override`). */
const unseenPromptMs = 500;
/** Milliseconds for PAM to take or refuse a password. */
const verdictMs = 60_000;
const maxSaid = 1024 * 1024;

/**
 * What to send for shell text that is to run as root. Short text of root's own travels as an argument (one round trip
 * less). Everything else travels on stdin ahead of the payload, so that sudo does not write it into the host's log and
 * no length limit applies: `dd` takes exactly the script's bytes and leaves the rest to the script.
 * @param isFar pack an argument that does not fit into the first packets
 */
export function composeRequest(root: Root, shellText: string, isFar: boolean): ExecRequest {
  if (root.kind === "already") {
    const command = renderCommandLine(isFar ? shortenScript(shellText) : shellText);
    if (command !== undefined && command.length <= maxArgumentBytes) return { command };
  }
  // The braces make a script that was cut short a syntax error instead of half a script.
  const script = Buffer.from(`{\n${shellText}\n}\n`);
  const run = [
    `hostkit_script=$(dd bs=${script.length} count=1 iflag=fullblock 2>/dev/null)`,
    '[ -n "$hostkit_script" ] || { echo "hostkit: the script did not arrive" >&2; exit 125; }',
    'eval "$hostkit_script"',
  ].join("; ");
  if (root.kind === "already") return { command: asCommandLine(run), prefix: script };
  if (root.kind === "sudo") return { command: `sudo -n ${asCommandLine(run)}`, prefix: script };
  // sudo-rs reads more than the line it asked for: everything else waits for the mark. Where sudo asks for nothing
  // (NOPASSWD since the connect), the password is a line too many, and read away up to the same mark.
  // -k makes sudo ask even when it remembers an earlier answer.
  const mark = randomBytes(8).toString("hex");
  const enter = `echo ${mark} >&2; while read -r line; do [ "$line" = ${mark} ] && break; done; unset line`;
  return {
    command: `env SUDO_PROMPT=${prompted} sudo -k -S ${asCommandLine(`${enter}; ${run}`)}`,
    gate: { answer: `${root.password}\n`, mark, question: promptPattern },
    prefix: Buffer.concat([Buffer.from(`${mark}\n`), script]),
  };
}

/**
 * What does not fit into the first bytes that TCP sends without waiting (10 packets, RFC 6928) costs a round trip more: long text
 * is packed. Both programs are part of every Debian.
 */
function shortenScript(shellText: string): string {
  if (Buffer.byteLength(shellText) < firstBytes) return shellText;
  const packed = gzipSync(shellText, { level: 9 }).toString("base64");
  return [
    `hostkit_script=$(printf %s ${packed} | base64 -d | gzip -d)`,
    '[ -n "$hostkit_script" ] || { echo "hostkit: the script cannot be unpacked" >&2; exit 125; }',
    'eval "$hostkit_script"',
  ].join("; ");
}

/** For scripts of our own, which hold nothing that a login shell does not pass on. */
function asCommandLine(script: string): string {
  return renderCommandLine(script) ?? `sh -c ${quoteWord(script)}`;
}

/**
 * Finds out how to be root: nothing to do for root; else one exec, on which a password is asked for and tried as well.
 * @throws HostkitError sudo_failed
 */
export async function becomeRoot(
  link: Link,
  destination: Destination,
  options: ConnectOptions,
): Promise<Root> {
  if (link.hop.user === "root" || destination.sudo === false) return { kind: "already" };
  const dialogue = new SudoDialogue(link, destination, options);
  return await dialogue.run();
}

class SudoDialogue {
  readonly #link: Link;
  readonly #destination: Destination;
  readonly #options: ConnectOptions;
  #stderr = "";
  #asked = 0;
  #unseen: NodeJS.Timeout | undefined;
  #isUnseen = false;
  #verdict: NodeJS.Timeout | undefined;
  #password: string | undefined;
  readonly #nameInMemory: string;
  #refusal: Error | undefined;
  readonly #over = new AbortController();

  constructor(link: Link, destination: Destination, options: ConnectOptions) {
    this.#link = link;
    this.#destination = destination;
    this.#options = options;
    this.#nameInMemory = `sudo ${link.hop.user}@${link.hop.address}:${link.hop.port}`;
  }

  async run(): Promise<Root> {
    // Everything in one exec: is there a sudo, does it ask, and if so, is the answer right?
    const script = [
      `echo ${begun} >&2`,
      "command -v sudo >/dev/null || { command -v doas >&2; exit 127; }",
      "LC_ALL=C",
      `SUDO_PROMPT="${prompted} of %p:"`,
      "export LC_ALL SUDO_PROMPT",
      "if said=$(sudo -n sh -c : 2>&1); then echo nopasswd; exit; fi",
      'echo "$said" >&2',
      'case $said in *"have a tty"*) exit 1 ;; esac',
      `echo ${wanted} >&2`,
      'exec sudo -k -S sh -c "echo root"',
    ].join("\n");
    const stdin = new PassThrough();
    const options: ExecOptions = {
      stdin,
      signal: this.#over.signal,
      firstByteMs: verdictMs,
      onStderr: (chunk) => {
        this.#stderr += chunk.toString("utf8");
        if (this.#stderr.length > maxSaid) throw tooMuch(this.#link, maxSaid);
        this.#answer(stdin);
      },
    };
    const command = asCommandLine(script);
    const result = await runOnLink(this.#link, { command }, options)
      .catch((error: unknown) => {
        if (!this.#over.signal.aborted) throw error;
        return undefined;
      })
      .finally(() => {
        clearTimeout(this.#unseen);
        clearTimeout(this.#verdict);
      });
    if (this.#refusal !== undefined) throw this.#refusal;
    if (result?.code === 0 && /^nopasswd$/m.test(result.stdout)) return { kind: "sudo" };
    if (result?.code === 0 && /^root$/m.test(result.stdout)) {
      if (this.#password === undefined) return { kind: "sudo" };
      this.#options.prompt.memory?.set(this.#nameInMemory, this.#password);
      return { kind: "password", password: this.#password };
    }
    throw this.#explain(result);
  }

  /** Answers each prompt that has come up since the last look. */
  #answer(stdin: PassThrough): void {
    const isWanted = this.#stderr.includes(wanted);
    const seen = this.#stderr.match(promptPattern)?.length ?? 0;
    if (isWanted && seen === 0)
      this.#unseen ??= setTimeout(() => {
        this.#isUnseen = true;
        this.#answer(stdin);
      }, unseenPromptMs);
    const prompts = Math.max(this.#isUnseen ? 1 : 0, seen);
    if (prompts <= this.#asked) return;
    this.#asked = prompts;
    clearTimeout(this.#verdict);
    const { prompt } = this.#options;
    const remembered = prompt.memory?.get(this.#nameInMemory);
    if (remembered !== undefined) {
      // Once: where it does not fit any more, the next question goes to the user.
      prompt.memory?.delete(this.#nameInMemory);
      this.#give(stdin, remembered);
      return;
    }
    if (!prompt.isInteractive || prompts > attempts) {
      // Not an empty answer, which sudo would count as a wrong one.
      this.#over.abort();
      return;
    }
    const again = prompts === 1 ? "" : "That was not it. ";
    prompt
      .secret(`${again}Password of ${this.#whose()} on ${this.#destination.name}, for sudo:`)
      .then(
        (password) => this.#give(stdin, password),
        (error: unknown) => {
          this.#refusal = error instanceof Error ? error : new Error(String(error));
          this.#over.abort();
        },
      );
  }

  #give(stdin: PassThrough, password: string): void {
    this.#password = password;
    stdin.write(`${password}\n`);
    this.#verdict = setTimeout(() => {
      this.#refusal = this.#make(
        `sudo on ${this.#destination.name} neither takes nor refuses the password`,
        `nothing came within ${verdictMs / 1000} s; a prompt of its own (passprompt_override) hides a second question`,
        this.#byHand(),
      );
      this.#over.abort();
    }, verdictMs);
  }

  /** The user whose password sudo reads. */
  #whose(): string {
    return [...this.#stderr.matchAll(askedOf)].at(-1)?.[1] ?? this.#link.hop.user;
  }

  #byHand(): string {
    return `try it by hand: ssh -t ${this.#link.hop.user}@${this.#link.hop.address} sudo -v`;
  }

  #make(what: string, why: string, next: string, said: readonly string[] = []): HostkitError {
    return new HostkitError("sudo_failed", {
      what,
      where: `${this.#link.hop.user}@${this.#link.hop.address}:${this.#link.hop.port}`,
      why,
      next,
      ...(said.length > 0 && { details: said }),
    });
  }

  /** @param result undefined when the dialogue was broken off here */
  #explain(result: ExecResult | undefined): HostkitError {
    const { user, address, port } = this.#link.hop;
    if (result !== undefined && !this.#stderr.includes(begun))
      return explainLoginShell(this.#destination.name, `${user}@${address}:${port}`, {
        ...result,
        stderr: this.#stderr,
      });
    const said = this.#stderr
      .replaceAll(promptPattern, "")
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("sudo:") || line.includes(user))
      .filter((line) => !/(a password|interactive authentication) is required/.test(line));
    const make = (what: string, why: string, next: string): HostkitError =>
      this.#make(what, why, next, said);
    const name = this.#destination.name;
    if (result?.code === 127) {
      return make(
        `${user} is not root on ${name}, and there is no sudo`,
        /doas/.test(this.#stderr)
          ? "doas is installed, but hostkit becomes root with sudo only"
          : "the program sudo is not installed",
        `log in as root (user: root), or as root on the host: apt-get install sudo && adduser ${user} sudo`,
      );
    }
    if (notAllowed.test(this.#stderr)) {
      return make(
        `${user} may not become root on ${name}`,
        "sudoers does not let this user run sh as root",
        `as root on the host: adduser ${user} sudo`,
      );
    }
    if (/have a tty/.test(this.#stderr)) {
      return make(
        `sudo on ${name} wants a terminal`,
        `sudoers says requiretty for ${user}; what hostkit sends is no terminal's`,
        `as root on the host: echo 'Defaults:${user} !requiretty' >/etc/sudoers.d/zz-hostkit-${user}; visudo -c`,
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
        this.#whose() === user
          ? `check the password of ${user} on the host`
          : `sudoers wants the password of ${this.#whose()} (targetpw, rootpw or runaspw); check it on the host`,
      );
    }
    return make(
      `sudo on ${name} fails`,
      said[0] ?? `it ended with status ${result?.code ?? result?.signal ?? "unknown"}`,
      this.#byHand(),
    );
  }
}

/** sudo, then sudo-rs (Ubuntu 26.04). */
const notAllowed = /not in the sudoers|not allowed to|may not run|I'm afraid I can't do that/i;
/** In whatever language: none of our scripts says a word that begins so. */
const sudoRefusal = /^sudo: /m;

/** True for the reply of a sudo that did not even start the script. */
export function isSudoRefusal(root: Root, result: RunResult): boolean {
  if (result.isGateShut === true) return true;
  const isSilent = result.code === 1 && result.stdout === "";
  return root.kind === "sudo" && isSilent && sudoRefusal.test(result.stderr);
}

/** The error for such a reply: sudo worked at connect and does no longer. */
export function explainSudoRefusal(link: Link, host: string, result: RunResult): HostkitError {
  const said = result.stderr.replaceAll(promptPattern, "\n").trim().split("\n");
  return new HostkitError("sudo_failed", {
    what: `sudo on ${host} does not let ${link.hop.user} become root any more`,
    where: `${link.hop.user}@${link.hop.address}:${link.hop.port}`,
    why: said.at(-1)?.replace(/^sudo: /, "") || "sudo ended without a word",
    next: "start again: the password or the host's sudoers may have changed",
  });
}
