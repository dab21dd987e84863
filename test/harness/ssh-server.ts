import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import type { AuthContext, ParsedKey, Server, ServerChannel } from "ssh2";

/** How the `sudo` of the test server behaves. */
export type SudoBehaviour =
  | "nopasswd"
  | "missing"
  | "not-in-sudoers"
  | { readonly password: string; readonly dialect?: "sudo" | "sudo-rs" };

export interface SshServerOptions {
  /** Private host keys in OpenSSH or PEM text; one new ed25519 key without it. */
  readonly hostKeys?: readonly string[];
  /** Public keys that may log in (any user name). */
  readonly authorizedKeys?: readonly string[];
  readonly password?: string;
  readonly sudo?: SudoBehaviour;
  readonly address?: string;
  /** Refuses forwarding like `AllowTcpForwarding no`. */
  readonly refuseForwarding?: boolean;
}

/** An SSH server inside the test process. Commands really run, by the local `sh`, with a `sudo` of the test's own. */
export interface TestSshServer {
  readonly address: string;
  readonly port: number;
  /** Public host keys as `type base64`, in the order of the private ones. */
  readonly hostKeys: readonly string[];
  /** Every command line that was run. */
  readonly commands: readonly string[];
  /** Every user name that tried to log in, with the method: `deploy publickey`. */
  readonly attempts: readonly string[];
  /** Sizes of terminals that were asked for, first and changed: `80x24`. */
  readonly windows: readonly string[];
  /** Destinations of forwarded connections, `host:port`. */
  readonly forwarded: readonly string[];
  /** Changes what sudo does from now on. */
  setSudo(behaviour: SudoBehaviour): void;
  /** Stops reading and answering, without closing anything: a cut cable. */
  freeze(): void;
  /** Closes every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** A key pair: private text in OpenSSH format and public `type base64`. */
export interface TestKey {
  readonly private: string;
  readonly public: string;
}

/** Makes a key pair; with a passphrase the private half is encrypted. */
export function makeKey(
  type: "ed25519" | "ecdsa" | "rsa" = "ed25519",
  passphrase?: string,
): TestKey {
  const lock = passphrase === undefined ? {} : { passphrase, cipher: "aes256-ctr", rounds: 4 };
  const bits = type === "rsa" ? { bits: 2048 } : type === "ecdsa" ? { bits: 256 } : {};
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync(type, { ...bits, ...lock } as never);
    // One ed25519 key in 256 comes out without its leading zero (mscdex/ssh2 issue 1390): throw that one away.
    const isWhole = [pair.private, pair.public].every(
      (text) => !(ssh2.utils.parseKey(text, passphrase) instanceof Error),
    );
    if (isWhole) return { private: pair.private, public: pair.public.trim() };
  }
}

/** Starts a server on a free port of 127.0.0.1 (or `address`). */
export async function startSshServer(options: SshServerOptions = {}): Promise<TestSshServer> {
  const hostKeys = [...(options.hostKeys ?? [makeKey().private])];
  const state: State = {
    options,
    bin: mkdtempSync(join(tmpdir(), "hostkit-sudo-")),
    authorized: (options.authorizedKeys ?? []).map(parse),
    commands: [],
    attempts: [],
    forwarded: [],
    windows: [],
    children: new Set(),
  };
  writeSudo(state.bin, options.sudo ?? "nopasswd");
  const server: Server = new ssh2.Server({ hostKeys });
  server.on("connection", (client) => {
    client.on("error", () => undefined);
    client.on("authentication", (context) => authenticate(context, state));
    client.on("tcpip", (accept, reject, info) => {
      if (options.refuseForwarding === true) {
        reject();
        return;
      }
      state.forwarded.push(`${info.destIP}:${info.destPort}`);
      const target = connect(info.destPort, info.destIP);
      target.once("error", () => reject());
      target.once("connect", () => {
        const channel = accept();
        target.on("error", () => channel.destroy());
        channel.on("error", () => target.destroy());
        channel.on("close", () => target.destroy());
        channel.pipe(target).pipe(channel);
      });
    });
    client.on("session", (accept) => {
      const session = accept();
      let hasPty = false;
      session.on("pty", (acceptPty, _reject, info) => {
        hasPty = true;
        state.windows.push(`${info.cols}x${info.rows}`);
        acceptPty();
      });
      session.on("window-change", (acceptChange, _reject, info) => {
        state.windows.push(`${info.cols}x${info.rows}`);
        (acceptChange as (() => void) | undefined)?.();
      });
      session.on("exec", (acceptExec, _reject, info) => {
        state.commands.push(info.command);
        // script(1) of util-linux gives a program a terminal of its own, and its status back.
        const command = hasPty
          ? `exec script -qfec ${quote(info.command)} /dev/null`
          : info.command;
        runCommand(acceptExec(), command, state, (listener) => session.on("signal", listener));
      });
    });
  });
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    server.injectSocket(socket);
  });
  const address = options.address ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, address, resolve);
  });
  const bound = listener.address();
  if (bound === null || typeof bound === "string") throw new Error("the test server has no port");
  return {
    address,
    port: bound.port,
    hostKeys: hostKeys.map((key) => describeKey(parse(key))),
    commands: state.commands,
    attempts: state.attempts,
    forwarded: state.forwarded,
    windows: state.windows,
    setSudo: (behaviour) => writeSudo(state.bin, behaviour),
    freeze: () => sockets.forEach((socket) => socket.pause()),
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      for (const child of state.children) child.kill("SIGKILL");
      await new Promise<void>((resolve) => listener.close(() => resolve()));
      rmSync(state.bin, { recursive: true, force: true });
    },
  };
}

interface State {
  readonly options: SshServerOptions;
  readonly bin: string;
  readonly authorized: readonly ParsedKey[];
  readonly commands: string[];
  readonly attempts: string[];
  readonly forwarded: string[];
  readonly windows: string[];
  readonly children: Set<ChildProcess>;
}

function authenticate(context: AuthContext, state: State): void {
  state.attempts.push(`${context.username} ${context.method}`);
  const methods: ("publickey" | "password")[] = ["publickey"];
  if (state.options.password !== undefined) methods.push("password");
  if (context.method === "password" && context.password === state.options.password)
    return context.accept();
  if (context.method === "publickey") {
    const { data } = context.key;
    const key = state.authorized.find((one) => one.getPublicSSH().equals(data));
    const { signature, blob, hashAlgo } = context;
    const isProved =
      signature === undefined ||
      blob === undefined ||
      key?.verify(blob, signature, hashAlgo) === true;
    // Without a signature the client only asks whether this key would do.
    if (key !== undefined && isProved) return context.accept();
  }
  context.reject(methods);
}

function runCommand(
  channel: ServerChannel,
  command: string,
  state: State,
  onSignal: (listener: (accept: unknown, reject: unknown, info: { name: string }) => void) => void,
): void {
  const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  // Without a sudo of the test's own, the machine's must not be found either.
  const path = state.options.sudo === "missing" ? state.bin : `${state.bin}:${system}`;
  const child = spawn("/bin/sh", ["-c", command], {
    env: { PATH: path, HOME: state.bin },
    detached: true,
  });
  state.children.add(child);
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  onSignal((_accept, _reject, info) => kill(`SIG${info.name}` as NodeJS.Signals));
  channel.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  channel.pipe(child.stdin);
  // A channel that the client closes takes no more, whatever the program still says.
  const to = (stream: NodeJS.WritableStream) => (chunk: Buffer) => {
    if (stream.writable && !stream.write(chunk)) {
      child.stdout.pause();
      child.stderr.pause();
      stream.once("drain", () => {
        child.stdout.resume();
        child.stderr.resume();
      });
    }
  };
  child.stdout.on("data", to(channel));
  child.stderr.on("data", to(channel.stderr));
  channel.on("close", () => kill("SIGHUP"));
  child.on("close", (code, signal) => {
    state.children.delete(child);
    if (signal !== null) channel.exit(signal.replace(/^SIG/, ""), false, "");
    else channel.exit(code ?? 0);
    channel.end();
  });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Puts a `sudo` into a folder that talks like the real one: -n, -S, -k, SUDO_PROMPT, three attempts. */
function writeSudo(bin: string, behaviour: SudoBehaviour): void {
  if (behaviour === "missing") return symlinkSync("/bin/sh", join(bin, "sh"));
  const { password, dialect = "sudo" } =
    typeof behaviour === "object" ? behaviour : { password: "" };
  const kind = typeof behaviour === "object" ? dialect : behaviour;
  const script = `#!/bin/sh
kind=${kind} right='${password.replaceAll("'", `'\\''`)}'
while :; do
  case $1 in
    -n) never=1; shift ;;
    -k | -S) shift ;;
    -*) echo "sudo: unrecognized option '$1'" >&2; exit 1 ;;
    *) break ;;
  esac
done
[ $kind = nopasswd ] && exec "$@"
say() { case $kind in sudo-rs) echo "sudo: $2" >&2 ;; *) echo "$1" >&2 ;; esac; }
if [ "$never" = 1 ]; then
  say "sudo: a password is required" "interactive authentication is required"
  exit 1
fi
for attempt in 1 2 3; do
  case $kind in
    sudo-rs) printf '[sudo: authenticate] Password: ' >&2 ;;
    *) printf %s "\${SUDO_PROMPT-[sudo] password for deploy: }" >&2 ;;
  esac
  # sudo-rs takes whatever is there, not only the line.
  if [ $kind = sudo-rs ]; then given=$(dd bs=4096 count=1 2>/dev/null | head -n 1); else IFS= read -r given; fi || { say "sudo: no password was provided" "Authentication required but not attempted"; exit 1; }
  if [ $kind = not-in-sudoers ]; then
    echo "deploy is not in the sudoers file." >&2
    exit 1
  fi
  [ "$given" = "$right" ] && exec "$@"
  [ $attempt = 3 ] || say "Sorry, try again." "Authentication failed, try again."
done
say "sudo: 3 incorrect password attempts" "Maximum 3 incorrect authentication attempts"
exit 1
`;
  writeFileSync(join(bin, "sudo"), script);
  chmodSync(join(bin, "sudo"), 0o755);
}

function parse(text: string): ParsedKey {
  const key: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(text);
  const first = Array.isArray(key) ? key[0] : key;
  if (first === undefined) throw new Error("no key");
  if (first instanceof Error) throw first;
  return first;
}

function describeKey(key: ParsedKey): string {
  return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}
