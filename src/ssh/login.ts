import type { AnyAuthMethod, AuthHandlerMiddleware, BaseAgent, ParsedKey, Prompt } from "ssh2";
import { HostkitError } from "../errors.ts";
import { quoteWord } from "../shell/quote.ts";
import type { Prompts } from "./prompts.ts";
import type { Hop } from "./hop.ts";
import type { KeyTrail } from "./identities.ts";
import { explainSocketError } from "./transport.ts";

const passwordAttempts = 3;
/** Questions of one login: a host may ask for several things, but not for ever. */
const maxQuestions = 12;

/** Chooses the next way to log in: keys, then a password where a person is there to type it. */
export class Login {
  readonly notes: string[] = [];
  readonly tried: string[] = [];
  /** Set when a question was not answered: the reason why the login ends. */
  unanswered: unknown;
  /** `performance.now()` when the host was ready for a first attempt. */
  firstAskedAt: number | undefined;
  /** What the host said it would take, last time it refused. */
  offeredByHost: readonly string[] = [];
  readonly #hop: Hop;
  readonly #prompt: Prompts;
  readonly #nameInMemory: string;
  #agent: BaseAgent<ParsedKey> | undefined;
  #passwords = 0;
  #questions = 0;
  #password: string | undefined;

  constructor(hop: Hop, prompt: Prompts, agent: BaseAgent<ParsedKey> | undefined) {
    this.#hop = hop;
    this.#prompt = prompt;
    this.#agent = agent;
    this.#nameInMemory = `password ${hop.user}@${hop.address}:${hop.port}`;
  }

  /** To be called when the login worked. */
  remember(): void {
    if (this.#password !== undefined) this.#prompt.memory?.set(this.#nameInMemory, this.#password);
  }

  readonly next: AuthHandlerMiddleware = (left, _partial, callback) => {
    this.firstAskedAt ??= performance.now();
    // ssh2 gives null on the first call, whatever its types say.
    this.offeredByHost = left ?? [];
    const username = this.#hop.user;
    const take = (method: AnyAuthMethod): void => {
      this.tried.push(method.type);
      callback(method);
    };
    const giveUp = (): void => callback(false as never);
    if (this.#agent !== undefined) {
      const agent = this.#agent;
      this.#agent = undefined;
      return take({ type: "agent", username, agent });
    }
    // Tells what the host takes where no key was offered, and is enough for some hosts.
    if (!this.tried.includes("none")) return take({ type: "none", username });
    if (!this.#prompt.isInteractive || this.#passwords >= passwordAttempts) return giveUp();
    this.#passwords++;
    if (this.offeredByHost.includes("password")) {
      this.#askPassword().then(
        (password) => take({ type: "password", username, password }),
        (error: unknown) => {
          this.unanswered = error;
          giveUp();
        },
      );
      return;
    }
    if (!this.offeredByHost.includes("keyboard-interactive")) return giveUp();
    return take({
      type: "keyboard-interactive",
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => this.#answer(prompts, finish),
    });
  };

  async #askPassword(): Promise<string> {
    const { user, address } = this.#hop;
    const remembered = this.#prompt.memory?.get(this.#nameInMemory);
    this.#prompt.memory?.delete(this.#nameInMemory);
    this.#password = remembered ?? (await this.#prompt.secret(`Password of ${user}@${address}:`));
    return this.#password;
  }

  #answer(prompts: readonly Prompt[], finish: (answers: string[]) => void): void {
    const { user, address } = this.#hop;
    const ask = async (): Promise<string[]> => {
      const answers: string[] = [];
      // A round without questions counts as well.
      this.#questions += Math.max(1, prompts.length);
      if (this.#questions > maxQuestions)
        throw new HostkitError("authentication_failed", {
          what: `${this.#hop.name} asks ${user} more than ${maxQuestions} questions`,
          where: `${user}@${address}:${this.#hop.port}`,
          why: "no login needs that many; it was given up",
          next: `see what it asks: ssh ${user}@${address}`,
        });
      for (const { prompt } of prompts) {
        answers.push(await this.#prompt.secret(`${prompt.trim()} (${user}@${address})`));
      }
      return answers;
    };
    ask().then(finish, (error: unknown) => {
      this.unanswered = error;
      this.#passwords = passwordAttempts;
      finish([]);
    });
  }
}

/** What went wrong between the open socket and the login, and what to do about it. */
export function explainHandshakeError(
  hop: Hop,
  error: (Error & { level?: string }) | undefined,
  login: Login,
  trail: KeyTrail,
): HostkitError {
  if (error?.level === "client-socket") return explainSocketError(hop, error);
  if (login.tried.length > 0) return explainRefusal(hop, error, login, trail);
  const message = error?.message ?? "the host closed the connection";
  const isNoMatch = /no matching/i.test(message);
  return new HostkitError(
    "host_unreachable",
    {
      what: `the SSH handshake with ${hop.name} failed`,
      where: `${hop.address}:${hop.port}`,
      why: message,
      next: isNoMatch
        ? "let sshd offer one of: curve25519-sha256 (KexAlgorithms), ssh-ed25519 or rsa-sha2-512 (HostKeyAlgorithms), aes128-gcm@openssh.com or aes256-ctr (Ciphers)"
        : "check that an SSH server listens on this port; a busy sshd (MaxStartups, PerSourcePenalties) turns connections away for a while",
    },
    { cause: error },
  );
}

function explainRefusal(
  hop: Hop,
  error: Error | undefined,
  login: Login,
  trail: KeyTrail,
): HostkitError {
  const isTooMany = /too many authentication failures/i.test(error?.message ?? "");
  const taken = login.offeredByHost.join(", ");
  const methods = login.tried.filter((method) => method !== "none");
  const why = isTooMany
    ? "the host ended the login after too many keys"
    : error === undefined
      ? "the host closed the connection during the login"
      : `the host takes: ${taken === "" ? "nothing that hostkit can do" : taken}`;
  return new HostkitError(
    "authentication_failed",
    {
      what: `${hop.name} does not let ${hop.user} in`,
      where: `${hop.user}@${hop.address}:${hop.port}`,
      why,
      details: [
        `tried: ${methods.map((method) => (method === "agent" ? "publickey" : method)).join(", ") || "nothing"}`,
        ...(trail.offered.length === 0 ? ["no key to offer: no agent, no key file"] : []),
        ...trail.offered.map((key) => `offered: ${key}`),
        ...trail.unusable.map((key) => `not usable: ${key}`),
        ...login.notes.map((note) => `note: ${note}`),
      ],
      next: adviseLogin(hop, trail, isTooMany),
    },
    { cause: error },
  );
}

function adviseLogin(hop: Hop, trail: KeyTrail, isTooMany: boolean): string {
  const [locked] = trail.locked;
  if (locked !== undefined) return `unlock the key first: ssh-add ${quoteWord(locked)}`;
  if (isTooMany) {
    return "name the right key: `identity` in the manifest, or IdentityFile and IdentitiesOnly yes in ~/.ssh/config";
  }
  const port = hop.port === 22 ? "" : `-p ${hop.port} `;
  return `check user and key: ssh -v ${port}${quoteWord(`${hop.user}@${hop.address}`)} true`;
}
