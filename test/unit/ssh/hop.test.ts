import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Destination } from "../../../src/ssh/destination.ts";
import { HostkitError } from "../../../src/errors.ts";
import { type Hop, parseJump, resolveRoute } from "../../../src/ssh/hop.ts";
import { makeSshHome, type SshHome } from "../../harness/ssh-client.ts";

describe("a jump host", () => {
  it.each([
    ["bastion", { address: "bastion" }],
    ["ops@bastion:2200", { address: "bastion", user: "ops", port: 2200 }],
    ["a@b@bastion", { address: "bastion", user: "a@b" }],
    ["[2001:db8::1]:2200", { address: "2001:db8::1", port: 2200 }],
    ["ops@[2001:db8::1]", { address: "2001:db8::1", user: "ops" }],
    ["2001:db8::1", { address: "2001:db8::1" }],
    ["ssh://ops@bastion:22/", { address: "bastion", user: "ops", port: 22 }],
  ])("%s", (text, hop) => expect(parseJump(text)).toEqual(hop));

  it.each(["", "ops@", "bastion:0", "bastion:99999", "[::1", "bastion:ssh"])(
    "is refused: %j",
    (text) => {
      expect(() => parseJump(text)).toThrow(HostkitError);
    },
  );
});

describe("the way to a host", () => {
  let home: SshHome;
  beforeEach(() => {
    home = makeSshHome();
  });
  afterEach(() => home.remove());

  const route = (destination: Partial<Destination>): Hop[] =>
    resolveRoute({ name: "dx1", address: "dx1", ...destination }, home.options());
  const addresses = (hops: readonly Hop[]): string[] =>
    hops.map((hop) => `${hop.user}@${hop.address}:${hop.port}`);

  it("has OpenSSH's defaults", () => {
    const [hop] = route({});
    expect(hop).toMatchObject({
      user: "tester",
      port: 22,
      family: 0,
      unknownKeys: "ask",
      hashKnownHosts: false,
    });
    expect(hop?.identities.map((one) => one.path)).toEqual(
      ["ed25519", "ecdsa", "rsa"].map((type) => `${home.path}/id_${type}`),
    );
    expect(hop?.userKnownHosts[0]).toBe(`${home.path}/known_hosts`);
  });

  it("takes what the destination says before what ssh_config says", () => {
    home.write(
      "config",
      "Host dx1\n  User other\n  Port 99\n  IdentityFile ~/other\n  AddressFamily inet6\n  ConnectTimeout 3\n",
    );
    expect(route({})[0]).toMatchObject({
      user: "other",
      port: 99,
      family: 6,
      connectTimeoutMs: 3000,
    });
    const [hop] = route({ user: "me", port: 1, identity: "/k" });
    expect(hop).toMatchObject({
      user: "me",
      port: 1,
      identitiesOnly: true,
      identities: [{ path: "/k", explicit: true }],
    });
  });

  it("passes jump hosts in the order they are written", () => {
    expect(addresses(route({ user: "root", jump: "a@one:1,b@two:2" }))).toEqual([
      "a@one:1",
      "b@two:2",
      "root@dx1:22",
    ]);
  });

  it("follows the ProxyJump of the first jump host only", () => {
    home.write(
      "config",
      "Host one\n  ProxyJump zero\nHost two\n  ProxyJump never\nHost dx1\n  ProxyJump one,two\nHost *\n  User u\n",
    );
    expect(addresses(route({}))).toEqual(["u@zero:22", "u@one:22", "u@two:22", "u@dx1:22"]);
  });

  it("refuses a ProxyCommand instead of going round it", () => {
    home.write("config", "Host dx1\n  ProxyCommand nc %h %p\n");
    expect(() => route({})).toThrow("ProxyCommand");
    expect(route({ jump: "none" })).toHaveLength(1);
  });

  it("reads Includes with patterns, below ~/.ssh", () => {
    home.write("dx-one", "Host dx1\n  Port 1\n");
    home.write("dx-two", "Host dx1\n  Port 2\n  User two\n");
    home.write("config", "Include dx-*\n");
    expect(addresses(route({}))).toEqual(["two@dx1:1"]);
  });

  it("names a file that cannot be read as ssh_config", () => {
    home.write("config", 'Host "unfinished\n');
    const read = (): Hop[] => route({});
    expect(read).toThrow(HostkitError);
  });
});
