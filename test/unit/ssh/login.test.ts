import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../src/ssh/connect.ts";
import type { ConnectOptions, Destination } from "../../../src/ssh/destination.ts";
import { formatError, HostkitError } from "../../../src/errors.ts";
import {
  makeSshHome,
  type SshHome,
  scriptedPrompts,
  startAgent,
} from "../../harness/ssh-client.ts";
import { makeKey, startSshServer, type TestSshServer } from "../../harness/ssh-server.ts";

const allowed = makeKey();
const other = makeKey();

let home: SshHome;
let server: TestSshServer;

beforeEach(async () => {
  home = makeSshHome();
  server = await startSshServer({ authorizedKeys: [allowed.public] });
});
afterEach(async () => {
  await server.close();
  home.remove();
});

const destination = (more: Partial<Destination> = {}): Destination => ({
  name: "dx1",
  address: server.address,
  port: server.port,
  user: "root",
  hostKey: server.hostKeys[0] as string,
  ...more,
});

async function tryLogin(
  options: Partial<ConnectOptions> = {},
  given: Destination = destination(),
): Promise<string> {
  const connection = await connect(given, home.options(options));
  const { stdout } = await connection.exec("echo in");
  await connection.close();
  return stdout;
}

async function failLogin(
  options: Partial<ConnectOptions> = {},
  given: Destination = destination(),
): Promise<HostkitError> {
  try {
    await tryLogin(options, given);
  } catch (error) {
    if (error instanceof HostkitError) return error;
    throw error;
  }
  throw new Error("the login worked");
}

describe("keys", () => {
  it.each(["id_ed25519", "id_ecdsa", "id_rsa"])("finds the default key %s", async (name) => {
    home.write(name, allowed.private);
    expect(await tryLogin()).toBe("in\n");
  });

  it.each(["ecdsa", "rsa"] as const)("signs with an %s key", async (type) => {
    const key = makeKey(type);
    await server.close();
    server = await startSshServer({ authorizedKeys: [key.public] });
    home.write("key", key.private);
    expect(await tryLogin({}, destination({ identity: `${home.path}/key` }))).toBe("in\n");
  });

  it("tries the next key after one that is refused", async () => {
    home.write("id_ed25519", other.private);
    home.write("id_rsa", allowed.private);
    expect(await tryLogin()).toBe("in\n");
  });

  it("takes only the named key, with ~ for the home", async () => {
    home.write("id_ed25519", allowed.private);
    home.write("named", other.private);
    expect((await failLogin({}, destination({ identity: "~/named" }))).code).toBe(
      "authentication_failed",
    );
    home.write("named", allowed.private);
    expect(await tryLogin({}, destination({ identity: "~/named" }))).toBe("in\n");
  });

  it("reads user, port and key from ssh_config by alias", async () => {
    home.write("special", allowed.private);
    home.write(
      "config",
      `Host dx\n  HostName ${server.address}\n  Port ${server.port}\n  User root\n  IdentityFile %d/special\n`,
    );
    const alias: Destination = {
      name: "dx1",
      address: "dx",
      hostKey: server.hostKeys[0] as string,
    };
    const connection = await connect(alias, home.options());
    expect(connection.description).toBe(`root@${server.address}:${server.port}`);
    await connection.close();
  });

  it("says what was tried when nothing is taken", async () => {
    home.write("id_ed25519", other.private);
    home.write("id_rsa", "no key at all");
    const error = await failLogin();
    expect(error.code).toBe("authentication_failed");
    const text = formatError(error);
    expect(text).toContain("id_ed25519 (SHA256:");
    expect(text).toContain("id_rsa: ");
    expect(text).toContain("publickey");
    expect(text).not.toContain("PRIVATE KEY");
  });

  it("says so when there is no key to offer or a named one is missing", async () => {
    expect(formatError(await failLogin())).toContain("no key to offer");
    const named = await failLogin({}, destination({ identity: "~/gone" }));
    expect(formatError(named)).toContain("gone: no such file");
  });
});

describe("encrypted keys", () => {
  const locked = makeKey("ed25519", "correct horse");
  beforeEach(async () => {
    await server.close();
    server = await startSshServer({ authorizedKeys: [locked.public, allowed.public] });
    home.write("id_ed25519", locked.private);
  });

  it("are opened with a passphrase, asked again after a wrong one", async () => {
    const prompt = scriptedPrompts("wrong", "correct horse");
    expect(await tryLogin({ prompt })).toBe("in\n");
    expect(prompt.questions).toHaveLength(2);
    expect(prompt.questions[0]).toContain("id_ed25519");
    expect(await tryLogin({ prompt })).toBe("in\n");
    expect(prompt.questions).toHaveLength(2);
  });

  it("name ssh-add without a terminal", async () => {
    const error = await failLogin();
    expect(error.code).toBe("authentication_failed");
    expect(error.parts.next).toBe(`unlock the key first: ssh-add ${home.path}/id_ed25519`);
  });

  it("stay locked, unasked, when the agent holds them or the host does not want them", async () => {
    const unlocked = makeKey();
    const agent = await startAgent(home.path, [allowed.private]);
    const prompt = scriptedPrompts();
    expect(
      await tryLogin({
        prompt,
        environment: { HOME: home.path, USER: "me", SSH_AUTH_SOCK: agent.socket },
      }),
    ).toBe("in\n");
    await agent.close();
    home.write("id_ecdsa", allowed.private);
    await server.close();
    server = await startSshServer({ authorizedKeys: [unlocked.public, allowed.public] });
    expect(await tryLogin({ prompt }, destination())).toBe("in\n");
    expect(prompt.questions).toEqual([]);
  });
});

describe("the agent", () => {
  const withAgent = (socket: string): Partial<ConnectOptions> => ({
    environment: { HOME: home.path, USER: "me", SSH_AUTH_SOCK: socket },
  });

  it.each(["ed25519", "ecdsa", "rsa"] as const)("signs with its %s key", async (type) => {
    const key = makeKey(type);
    await server.close();
    server = await startSshServer({ authorizedKeys: [key.public] });
    const agent = await startAgent(home.path, [other.private, key.private]);
    expect(await tryLogin(withAgent(agent.socket))).toBe("in\n");
    expect(agent.used()).toBe(1);
    await agent.close();
  });

  it("is chosen by IdentityAgent and left out by none", async () => {
    const agent = await startAgent(home.path, [allowed.private]);
    home.write("config", `IdentityAgent ~/agent.sock\n`);
    expect(await tryLogin()).toBe("in\n");
    home.write("config", `IdentityAgent none\n`);
    expect((await failLogin(withAgent(agent.socket))).code).toBe("authentication_failed");
    await agent.close();
  });

  it("offers only named keys with IdentitiesOnly, a .pub being enough to name one", async () => {
    const agent = await startAgent(home.path, [other.private, allowed.private]);
    home.write("config", `IdentitiesOnly yes\nIdentityFile ~/mine\n`);
    home.write("mine.pub", other.public);
    expect(formatError(await failLogin(withAgent(agent.socket))).match(/offered:/g)).toHaveLength(
      1,
    );
    home.write("mine.pub", allowed.public);
    expect(await tryLogin(withAgent(agent.socket))).toBe("in\n");
    await agent.close();
  });

  it("that is gone is noted and does not stop a key file", async () => {
    home.write("id_ed25519", allowed.private);
    const notes: string[] = [];
    expect(
      await tryLogin({ ...withAgent(`${home.path}/gone.sock`), log: (line) => notes.push(line) }),
    ).toBe("in\n");
    expect(notes.join("\n")).toContain("gone.sock does not answer");
  });
});

describe("passwords", () => {
  beforeEach(async () => {
    await server.close();
    server = await startSshServer({ authorizedKeys: [allowed.public], password: "tulip" });
  });

  it("are asked for on a terminal when keys do not help", async () => {
    const prompt = scriptedPrompts("rose", "tulip");
    expect(await tryLogin({ prompt })).toBe("in\n");
    expect(prompt.questions[0]).toContain("root@127.0.0.1");
    expect(await tryLogin({ prompt })).toBe("in\n");
    expect(prompt.questions).toHaveLength(2);
  });

  it("are given up after three, and never shown", async () => {
    const error = await failLogin({ prompt: scriptedPrompts("rose1", "rose2", "rose3") });
    expect(error.code).toBe("authentication_failed");
    expect(formatError(error)).not.toContain("rose");
  });
});

describe("a question that is not answered", () => {
  const cancelled = new HostkitError("run_interrupted", { what: "the question was not answered" });
  const prompt = { ...scriptedPrompts(), secret: () => Promise.reject(cancelled) };

  it("for a passphrase ends the login", async () => {
    const locked = makeKey("ed25519", "correct horse");
    await server.close();
    server = await startSshServer({ authorizedKeys: [locked.public, allowed.public] });
    home.write("id_ed25519", locked.private);
    home.write("id_rsa", allowed.private);
    expect(await failLogin({ prompt })).toBe(cancelled);
  });

  it("for a password ends the login", async () => {
    await server.close();
    server = await startSshServer({ password: "tulip" });
    expect(await failLogin({ prompt })).toBe(cancelled);
  });
});

describe("jump hosts", () => {
  it("are passed one after the other, each with its own user, key and host key", async () => {
    const jumpKey = makeKey();
    const first = await startSshServer({ authorizedKeys: [jumpKey.public] });
    const second = await startSshServer({ authorizedKeys: [jumpKey.public] });
    home.write("id_ed25519", allowed.private);
    home.write("jump", jumpKey.private);
    home.write(
      "known_hosts",
      [first, second].map((one) => `[${one.address}]:${one.port} ${one.hostKeys[0]}\n`).join(""),
    );
    home.write("config", `Match user ops\n  IdentityFile ~/jump\n`);
    const jump = `ops@${first.address}:${first.port},ops@${second.address}:${second.port}`;
    expect(await tryLogin({}, destination({ jump }))).toBe("in\n");
    expect(first.forwarded).toEqual([`${second.address}:${second.port}`]);
    expect(second.forwarded).toEqual([`${server.address}:${server.port}`]);
    expect(first.attempts[0]).toBe("ops publickey");
    expect(server.commands).toHaveLength(1);
    expect([...first.commands, ...second.commands]).toEqual([]);
    await first.close();
    await second.close();
  });

  it("come from ProxyJump, and `none` leaves them out", async () => {
    const bastion = await startSshServer({ authorizedKeys: [allowed.public] });
    home.write("id_ed25519", allowed.private);
    home.write("known_hosts", `[${bastion.address}]:${bastion.port} ${bastion.hostKeys[0]}\n`);
    home.write(
      "config",
      `Host bastion\n  HostName ${bastion.address}\n  Port ${bastion.port}\nHost ${server.address}\n  ProxyJump ops@bastion\nMatch host ${bastion.address} user ops\n  ProxyJump none\n`,
    );
    // The jump host has the same address here, so its own ProxyJump must be switched off by name.
    home.write(
      "config",
      `Host bastion\n  HostName ${bastion.address}\n  Port ${bastion.port}\nHost dx\n  HostName ${server.address}\n  ProxyJump ops@bastion\n`,
    );
    expect(await tryLogin({}, destination({ address: "dx" }))).toBe("in\n");
    expect(bastion.forwarded).toHaveLength(1);
    expect(await tryLogin({}, destination({ address: "dx", jump: "none" }))).toBe("in\n");
    expect(bastion.forwarded).toHaveLength(1);
    await bastion.close();
  });

  it("are verified as strictly as the host itself", async () => {
    const bastion = await startSshServer({ authorizedKeys: [allowed.public] });
    home.write("id_ed25519", allowed.private);
    const error = await failLogin(
      {},
      destination({ jump: `ops@${bastion.address}:${bastion.port}` }),
    );
    expect(error.code).toBe("host_key_unknown");
    expect(bastion.attempts).toEqual([]);
    await bastion.close();
  });

  it("that refuse to forward are named", async () => {
    const bastion = await startSshServer({
      authorizedKeys: [allowed.public],
      refuseForwarding: true,
    });
    home.write("id_ed25519", allowed.private);
    const jump: Destination = {
      name: "bastion",
      address: bastion.address,
      port: bastion.port,
      user: "ops",
      hostKey: bastion.hostKeys[0] as string,
    };
    const error = await failLogin({}, destination({ jump }));
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.what).toContain("through the jump host bastion");
    await bastion.close();
  });

  it("that lead to themselves are refused", async () => {
    home.write("config", "Host *\n  ProxyJump loop.example.org\n");
    const error = await failLogin();
    expect(error.code).toBe("usage");
    expect(error.parts.what).toContain("never end");
  });
});
