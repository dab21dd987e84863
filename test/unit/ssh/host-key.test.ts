import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../src/ssh/connect.ts";
import type { ConnectOptions, Destination } from "../../../src/ssh/destination.ts";
import { HostkitError, formatError } from "../../../src/errors.ts";
import { fingerprintKey, hashKnownHost } from "../../../src/ssh/known-hosts.ts";
import { makeSshHome, type SshHome, scriptedPrompts } from "../../harness/ssh-client.ts";
import { makeKey, startSshServer, type TestSshServer } from "../../harness/ssh-server.ts";

const login = makeKey();
const ed25519 = makeKey();
const ecdsa = makeKey("ecdsa");
const rsa = makeKey("rsa");
const stranger = makeKey();
const fingerprintOf = (line: string): string =>
  fingerprintKey(Buffer.from(line.split(" ")[1] ?? "", "base64"));

let home: SshHome;
let server: TestSshServer;

beforeEach(async () => {
  home = makeSshHome();
  home.write("id_ed25519", login.private);
  server = await startSshServer({
    authorizedKeys: [login.public],
    hostKeys: [ed25519.private, ecdsa.private, rsa.private],
  });
});
afterEach(async () => {
  await server.close();
  home.remove();
});

async function tryConnect(
  options: Partial<ConnectOptions> = {},
  destination: Partial<Destination> = {},
): Promise<HostkitError | undefined> {
  try {
    const connection = await connect(
      { name: "dx1", address: server.address, port: server.port, user: "root", ...destination },
      home.options(options),
    );
    expect((await connection.exec("echo works")).stdout).toBe("works\n");
    await connection.close();
    return undefined;
  } catch (error) {
    if (error instanceof HostkitError) return error;
    throw error;
  }
}

const known = (key: string, name = `[${server.address}]:${server.port}`): string =>
  `${name} ${key.split(" ", 2).join(" ")}\n`;
const knownHosts = (): string => readFileSync(join(home.path, "known_hosts"), "utf8");

describe("a host key never seen before", () => {
  it("is refused without a terminal, with all that is needed to go on", async () => {
    const error = await tryConnect();
    expect(error?.code).toBe("host_key_unknown");
    const text = formatError(error as HostkitError);
    expect(text).toContain(fingerprintOf(server.hostKeys[0] as string));
    expect(text).toContain(`host_key: "${server.hostKeys[0]}"`);
    expect(text).toContain(`ssh-keyscan -p ${server.port} ${server.address}`);
    expect(existsSync(join(home.path, "known_hosts"))).toBe(false);
    // Nobody logs in anywhere before the key is trusted.
    expect(server.attempts).toEqual([]);
  });

  it("is shown and asked about on a terminal, and remembered", async () => {
    const prompt = scriptedPrompts(true);
    expect(await tryConnect({ prompt })).toBeUndefined();
    expect(prompt.questions).toHaveLength(1);
    expect(prompt.questions[0]).toContain(fingerprintOf(server.hostKeys[0] as string));
    expect(knownHosts()).toBe(known(server.hostKeys[0] as string));
    expect(statSync(join(home.path, "known_hosts")).mode & 0o777).toBe(0o600);
    expect(await tryConnect()).toBeUndefined();
  });

  it("is refused when the answer is no", async () => {
    const error = await tryConnect({ prompt: scriptedPrompts(false) });
    expect(error?.code).toBe("host_key_unknown");
    expect(existsSync(join(home.path, "known_hosts"))).toBe(false);
  });

  it("is taken with acceptNewHostKey, after a last line without an end", async () => {
    home.write("known_hosts", known(stranger.public, "other.example.org").trimEnd());
    expect(await tryConnect({ acceptNewHostKey: true })).toBeUndefined();
    expect(knownHosts()).toBe(
      known(stranger.public, "other.example.org") + known(server.hostKeys[0] as string),
    );
  });

  it("is written hashed where ssh_config says so", async () => {
    home.write("config", "HashKnownHosts yes\n");
    expect(await tryConnect({ acceptNewHostKey: true })).toBeUndefined();
    expect(knownHosts()).toMatch(/^\|1\|[^|]+\|\S+ ssh-ed25519 /);
    expect(await tryConnect()).toBeUndefined();
  });

  it("is refused where StrictHostKeyChecking is yes, terminal or not", async () => {
    home.write("config", "StrictHostKeyChecking yes\n");
    expect((await tryConnect({ prompt: scriptedPrompts() }))?.code).toBe("host_key_unknown");
  });
});

describe("a known host key", () => {
  it.each([
    ["ed25519", ed25519.public],
    ["ecdsa", ecdsa.public],
    ["rsa", rsa.public],
  ])(
    "is recognised when only its %s key is known: the host is asked for that one",
    async (_type, key) => {
      home.write("known_hosts", known(key));
      expect(await tryConnect()).toBeUndefined();
    },
  );

  it("is found under a hashed name, a HostKeyAlias and in the system's file", async () => {
    const salt = new Uint8Array(20).fill(7);
    home.write(
      "known_hosts",
      known(ed25519.public, hashKnownHost(`[${server.address}]:${server.port}`, salt)),
    );
    expect(await tryConnect()).toBeUndefined();
    home.write("known_hosts", known(ed25519.public, "dx1.internal"));
    home.write("config", "HostKeyAlias dx1.internal\n");
    expect(await tryConnect()).toBeUndefined();
    home.write("known_hosts", "");
    home.write("system", known(ed25519.public, "dx1.internal"));
    home.write("config", `HostKeyAlias dx1.internal\nGlobalKnownHostsFile ${home.path}/system\n`);
    expect(await tryConnect()).toBeUndefined();
  });

  it("that has changed is refused even with acceptNewHostKey, naming file and line", async () => {
    home.write("known_hosts", `# mine\n${known(stranger.public)}`);
    const error = await tryConnect({ acceptNewHostKey: true, prompt: scriptedPrompts() });
    expect(error?.code).toBe("host_key_changed");
    const text = formatError(error as HostkitError);
    expect(text).toContain("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED");
    expect(text).toContain(`${home.path}/known_hosts:2`);
    expect(text).toContain(fingerprintOf(stranger.public));
    expect(text).toContain(
      `ssh-keygen -f ${home.path}/known_hosts -R '[${server.address}]:${server.port}'`,
    );
    expect(server.attempts).toEqual([]);
  });

  it("that is revoked is refused", async () => {
    home.write("known_hosts", `${known(ed25519.public)}@revoked ${known(ed25519.public, "*")}`);
    expect((await tryConnect({ acceptNewHostKey: true }))?.code).toBe("host_key_changed");
  });

  it("of another type is never replaced silently", async () => {
    await server.close();
    server = await startSshServer({ authorizedKeys: [login.public], hostKeys: [ecdsa.private] });
    home.write("known_hosts", known(ed25519.public));
    const error = await tryConnect({ acceptNewHostKey: true });
    expect(error?.code).toBe("host_key_unknown");
    expect(formatError(error as HostkitError)).toContain("known by another key type: ssh-ed25519");
    expect(await tryConnect({ prompt: scriptedPrompts(true) })).toBeUndefined();
  });
});

describe("a pinned host key", () => {
  it("is taken as a key of any type, and known_hosts is not asked", async () => {
    home.write("known_hosts", known(stranger.public));
    for (const key of [ed25519, ecdsa, rsa]) {
      expect(await tryConnect({}, { hostKey: `${key.public} a comment` })).toBeUndefined();
    }
    expect(knownHosts()).toBe(known(stranger.public));
  });

  it("is one of several", async () => {
    const hostKey = [stranger.public, fingerprintOf(ed25519.public)];
    expect(await tryConnect({}, { hostKey })).toBeUndefined();
    expect(await tryConnect({}, { hostKey: [stranger.public, rsa.public] })).toMatchObject({
      code: "host_key_changed",
    });
    expect(await tryConnect({}, { hostKey: [rsa.public, ecdsa.public] })).toBeUndefined();
  });

  it("is taken as a fingerprint", async () => {
    expect(await tryConnect({}, { hostKey: fingerprintOf(ed25519.public) })).toBeUndefined();
  });

  it("that does not fit is refused, whatever known_hosts says", async () => {
    home.write("known_hosts", known(ed25519.public));
    for (const hostKey of [stranger.public, fingerprintOf(stranger.public)]) {
      const error = await tryConnect({ acceptNewHostKey: true }, { hostKey });
      expect(error?.code).toBe("host_key_changed");
      expect(formatError(error as HostkitError)).toContain(fingerprintOf(ed25519.public));
    }
  });

  it.each(["ssh-ed25519", "SHA256:short", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIC7d", "MD5:00:11"])(
    "that is none is a manifest error: %s",
    async (hostKey) => expect((await tryConnect({}, { hostKey }))?.code).toBe("manifest_invalid"),
  );
});
