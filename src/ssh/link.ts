import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { HostkitError } from "../errors.ts";
import type { Prompts } from "./prompts.ts";
import type { ConnectOptions } from "./destination.ts";
import type { Hop } from "./hop.ts";
import { prepareHostKeyCheck } from "./host-key.ts";
import { gatherIdentities } from "./identities.ts";
import type { KeyTrail } from "./identities.ts";
import { explainHandshakeError, Login } from "./login.ts";
import { noMark } from "./mark.ts";
import { openSocket, openTunnel } from "./transport.ts";

/** An authenticated SSH connection to one hop. */
export interface Link {
  readonly hop: Hop;
  readonly client: Client;
  /** A round trip takes long enough that a few packets less are worth some of the host's CPU time. */
  readonly isFar: boolean;
  /** Set once the link is lost by anything but `end`. */
  readonly failure: HostkitError | undefined;
  /** Resolves when the link is gone: with the failure, or with nothing after `end`. */
  readonly closed: Promise<HostkitError | undefined>;
  end(): Promise<void>;
}

const missesAllowed = 3;
/** Milliseconds. What the host does in between, and this process, takes one to three of them. */
const farRoundTrip = 10;

/**
 * Connects hop after hop; every one is verified and logged into by itself.
 * @throws HostkitError host_unreachable, host_key_unknown, host_key_changed, authentication_failed
 */
export async function openRoute(route: readonly Hop[], options: ConnectOptions): Promise<Link> {
  const links: Link[] = [];
  // Loading takes about as long as connecting: both at once.
  const ssh2 = import("ssh2").then((module) => module.default);
  try {
    for (const hop of route) {
      const before = links.at(-1);
      const connected = (options.mark ?? noMark)(`connect to ${hop.address}`);
      const socket =
        before === undefined
          ? await openSocket(hop)
          : await openTunnel(before.client, before.hop, hop);
      connected();
      links.push(await openLink(await ssh2, hop, socket, options));
    }
  } catch (error) {
    for (const link of links.reverse()) void link.end();
    throw error;
  }
  const last = links.at(-1);
  if (last === undefined) throw new HostkitError("internal", { what: "a route without a host" });
  const jumps = links.slice(0, -1).reverse();
  const closed = last.closed.then((failure) => {
    for (const jump of jumps) void jump.end();
    return failure ?? jumps.find((jump) => jump.failure !== undefined)?.failure;
  });
  return {
    hop: last.hop,
    client: last.client,
    isFar: last.isFar,
    get failure() {
      return last.failure ?? jumps.find((jump) => jump.failure !== undefined)?.failure;
    },
    closed,
    end: async () => {
      await last.end();
      await Promise.all(jumps.map((jump) => jump.end()));
    },
  };
}

async function openLink(
  ssh2: typeof import("ssh2"),
  hop: Hop,
  socket: Duplex,
  options: ConnectOptions,
): Promise<Link> {
  // Errors between two awaits must not end the process; the handshake's own listeners tell about them.
  socket.on("error", () => undefined);
  const timer = new HandshakeTimer(hop.connectTimeoutMs);
  const prompt = pausing(options.prompt, timer);
  const patient = { ...options, prompt, log: (line: string) => options.log?.(line) };
  const hostKey = prepareHostKeyCheck(hop, patient);
  const { agent, trail, count } = await gatherIdentities(ssh2, hop, patient);
  const client = new ssh2.Client();
  const login = new Login(hop, prompt, count > 0 ? agent : undefined);

  const { exchangedAt } = await shakeHands({
    hop,
    client,
    socket,
    options,
    timer,
    login,
    hostKey,
    trail,
  });
  client.removeAllListeners("error");
  client.removeAllListeners("close");
  // One message each way, for which the host has nothing to work out: the service request (RFC 4253 section 10).
  const roundTrip = (login.firstAskedAt ?? exchangedAt) - exchangedAt;
  return watchLink(hop, client, socket, roundTrip >= farRoundTrip, options);
}

/** What a handshake is made with. */
interface Handshake {
  readonly hop: Hop;
  readonly client: Client;
  readonly socket: Duplex;
  readonly options: ConnectOptions;
  readonly timer: HandshakeTimer;
  readonly login: Login;
  readonly hostKey: ReturnType<typeof prepareHostKeyCheck>;
  readonly trail: KeyTrail;
}

/** From the first byte to the login; answers when the keys were exchanged (performance.now). */
function shakeHands(given: Handshake): Promise<{ readonly exchangedAt: number }> {
  const { hop, client, socket, options, timer, login, hostKey, trail } = given;
  const mark = options.mark ?? noMark;
  const exchanged = mark("exchange keys");
  let loggedIn: (() => void) | undefined;
  let exchangedAt = 0;
  return new Promise((resolve, reject) => {
    let refusal: unknown;
    const fail = (error: unknown): void => {
      timer.stop();
      reject(error);
      client.destroy();
      socket.destroy();
    };
    timer.start(() =>
      fail(
        new HostkitError("host_unreachable", {
          what: `${hop.name} does not finish the SSH handshake`,
          where: `${hop.address}:${hop.port}`,
          why: `nothing within ${timer.limitMs / 1000} s`,
          next: "check that an SSH server listens on this port and is not overloaded",
        }),
      ),
    );
    client.on("error", (error: Error & { level?: string }) => {
      if (error.level === "agent") {
        login.notes.push(error.message);
        // Ctrl-C on a question for a passphrase ends the login, not only this key.
        if (error instanceof HostkitError) fail(error);
        return;
      }
      fail(refusal ?? login.unanswered ?? explainHandshakeError(hop, error, login, trail));
    });
    client.once("close", () =>
      fail(refusal ?? explainHandshakeError(hop, undefined, login, trail)),
    );
    client.once("handshake", () => {
      exchanged();
      exchangedAt = performance.now();
      loggedIn = mark("log in");
    });
    client.once("ready", () => {
      loggedIn?.();
      timer.stop();
      login.remember();
      resolve({ exchangedAt });
    });
    client.connect({
      sock: socket,
      username: hop.user,
      readyTimeout: 0,
      // Signs of life are sent by ssh2 and judged below: any byte counts, not only answers to them.
      keepaliveInterval: keepaliveMs(options),
      keepaliveCountMax: Number.MAX_SAFE_INTEGER,
      algorithms: { serverHostKey: hostKey.algorithms },
      hostVerifier: (key: Buffer, verdict: (trusted: boolean) => void) => {
        hostKey.verify(key).then(
          () => verdict(true),
          (error: unknown) => {
            refusal = error;
            verdict(false);
          },
        );
      },
      authHandler: login.next,
    });
  });
}

function keepaliveMs(options: ConnectOptions): number {
  return Math.max(0.05, options.keepaliveSeconds ?? 5) * 1000;
}

/** Ends the link when nothing at all comes in for `missesAllowed` intervals after the first silent one. */
function watchLink(
  hop: Hop,
  client: Client,
  socket: Duplex,
  isFar: boolean,
  options: ConnectOptions,
): Link {
  let failure: HostkitError | undefined;
  let ended = false;
  let misses = 0;
  let settle: (error: HostkitError | undefined) => void;
  const closed = new Promise<HostkitError | undefined>((resolve) => (settle = resolve));
  const lose = (error: Error | undefined, why: string): void => {
    if (failure !== undefined || ended) return;
    failure = new HostkitError(
      "host_unreachable",
      { what: `the connection to ${hop.name} was lost`, where: `${hop.address}:${hop.port}`, why },
      { cause: error },
    );
  };
  const interval = keepaliveMs(options);
  // Intervals are counted, not clock time: after a laptop's sleep the host gets its chance to answer.
  const watch = setInterval(() => {
    misses++;
    if (misses <= missesAllowed) return;
    lose(undefined, `no sign of life for ${((missesAllowed + 1) * interval) / 1000} s`);
    socket.destroy();
    finish();
  }, interval);
  const finish = (): void => {
    clearInterval(watch);
    lose(undefined, "the host closed it");
    settle(failure);
  };
  socket.on("data", () => (misses = 0));
  client.on("error", (error) => lose(error, error.message));
  client.on("close", finish);
  return {
    hop,
    client,
    isFar,
    get failure() {
      return failure;
    },
    closed,
    end: async () => {
      if (failure === undefined) ended = true;
      client.end();
      // A host that no longer answers must not hold up the end.
      const last = setTimeout(() => socket.destroy(), 1000);
      await closed;
      clearTimeout(last);
    },
  };
}

/** A time limit that stands still while the user is asked something. */
class HandshakeTimer {
  readonly limitMs: number;
  #expire: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.limitMs = limitMs;
  }
  start(expire: () => void): void {
    this.#expire = expire;
    this.#timer = setTimeout(expire, this.limitMs);
  }
  stop(): void {
    clearTimeout(this.#timer);
    this.#expire = undefined;
  }
  async standStill<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    try {
      return await work();
    } finally {
      if (this.#expire !== undefined) this.#timer = setTimeout(this.#expire, this.limitMs);
    }
  }
}

function pausing(prompt: Prompts, timer: HandshakeTimer): Prompts {
  return {
    isInteractive: prompt.isInteractive,
    ...(prompt.memory && { memory: prompt.memory }),
    confirm: (question) => timer.standStill(() => prompt.confirm(question)),
    secret: (question) => timer.standStill(() => prompt.secret(question)),
  };
}
