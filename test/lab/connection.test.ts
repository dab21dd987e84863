import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { Connection } from "../../src/ssh/connection.ts";
import type { Destination } from "../../src/ssh/destination.ts";
import { HostkitError } from "../../src/errors.ts";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { labSystemNames } from "../../src/lab/systems.ts";
import { makeSshHome, type SshHome, scriptedPrompts } from "../harness/ssh-client.ts";

/** What only a real sshd and a real sudo can prove. */
const hosts = new Map<string, LabHost>();
let home: SshHome;

beforeAll(async () => {
  home = makeSshHome();
  for (const os of labSystemNames)
    hosts.set(os, await upLabHost({ name: `connection-${os.slice(-2)}`, os }));
});
afterAll(async () => {
  for (const host of hosts.values()) await downLabHost(host.name);
  home.remove();
});

function hostOf(os: string): LabHost {
  const host = hosts.get(os);
  if (host === undefined) throw new Error(`${os} is not up`);
  return host;
}

function destinationOf(os: string, user: string, more: Partial<Destination> = {}): Destination {
  const { name, address, keyPath, hostKey } = hostOf(os);
  return { name, address, user, identity: keyPath, hostKey, ...more };
}

async function failure(promise: Promise<unknown>): Promise<HostkitError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof HostkitError) return error;
  throw error;
}

describe.each(labSystemNames)("%s", (os) => {
  describe.each([
    ["root", 0],
    ["deploy", 1],
    ["ops", 0],
  ] as const)("as %s", (user, questions) => {
    const prompt = scriptedPrompts("deploy");
    let connection: Connection;
    beforeAll(async () => {
      connection = await connect(destinationOf(os, user), home.options({ prompt }));
    });
    afterAll(() => connection.close());

    it("runs commands as root", async () => {
      const result = await connection.exec("id -u; cat; echo err >&2; exit 7", { stdin: "in" });
      expect(result).toEqual({ code: 7, signal: null, stdout: "0\nin", stderr: "err\n" });
      expect(prompt.questions).toHaveLength(questions);
    });

    it("carries 20 MB there and back", async () => {
      const data = randomBytes(20_000_000);
      const hash = createHash("sha256");
      await connection.exec("cat", { stdin: data, onStdout: (chunk) => hash.update(chunk) });
      expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
    });

    it("runs a script of 1 MB that reads its input", async () => {
      const script = `value='${"x".repeat(1_000_000)}'\nprintf %s "$value" | wc -c; cat`;
      expect((await connection.exec(script, { stdin: "rest" })).stdout).toBe("1000000\nrest");
    });

    it("runs more commands at once than sshd has sessions", async () => {
      const numbers = Array.from({ length: 24 }, (_, index) => index);
      const results = await Promise.all(
        numbers.map((number) => connection.exec(`sleep 0.1; echo ${number}`)),
      );
      expect(results.map((result) => Number(result.stdout))).toEqual(numbers);
    });

    it("leaves no script in a command line or in sudo's log", async () => {
      const mark = `mark-${randomBytes(8).toString("hex")}`;
      const look = `: ${mark}\ncat /proc/[0-9]*/cmdline | tr '\\0' '\\n'`;
      const { stdout } = await connection.exec(look);
      const journal = await connection.exec("journalctl --no-pager -q -t sudo -o cat");
      // Short scripts of root's own are arguments: its command lines may hold them, a log never.
      if (user !== "root") expect(stdout).not.toContain(mark);
      expect(journal.stdout).not.toContain(mark);
      if (user !== "root") expect(journal.stdout).toContain(`${user} : `);
    });
  });

  it("is reached over IPv6", async () => {
    const { address6 } = hostOf(os);
    const connection = await connect(
      destinationOf(os, "root", { address: address6 }),
      home.options(),
    );
    expect(connection.description).toBe(`root@[${address6}]:22`);
    await connection.close();
  });

  it("takes the right password at the second try", async () => {
    const prompt = scriptedPrompts("wrong", "deploy");
    const connection = await connect(destinationOf(os, "deploy"), home.options({ prompt }));
    expect((await connection.exec("id -u")).stdout).toBe("0\n");
    await connection.close();
  });

  it("says that sudo does not take the password, or that nobody could be asked", async () => {
    const prompt = scriptedPrompts("wrong", "wrong", "wrong");
    expect(
      (await failure(connect(destinationOf(os, "deploy"), home.options({ prompt })))).code,
    ).toBe("sudo_failed");
    expect(
      (await failure(connect(destinationOf(os, "deploy"), home.options()))).parts.why,
    ).toContain("no terminal");
  });

  it("says that a user is not in sudoers", async () => {
    const root = await connect(destinationOf(os, "root"), home.options());
    await root.exec(
      "useradd -m -s /bin/bash guest; echo guest:guest | chpasswd; cp -r /root/.ssh ~guest/; chown -R guest ~guest/.ssh",
    );
    await root.close();
    const error = await failure(
      connect(destinationOf(os, "guest"), home.options({ prompt: scriptedPrompts("guest") })),
    );
    expect(error.code).toBe("sudo_failed");
    expect(error.parts.why).toContain("sudoers");
  });

  it("says that a login is refused", async () => {
    const error = await failure(connect(destinationOf(os, "nobody-here"), home.options()));
    expect(error.code).toBe("authentication_failed");
    expect(error.parts.why).toContain("publickey");
  });

  it("is noticed when it falls silent", async () => {
    const connection = await connect(
      destinationOf(os, "root"),
      home.options({ keepaliveSeconds: 0.5 }),
    );
    // The parent is this connection's own sshd.
    const error = await failure(connection.exec("kill -STOP $PPID; sleep 60"));
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.why).toContain("no sign of life");
    expect(await connection.closed).toBe(error);
  });
});

describe("a jump host", () => {
  it("is passed to reach another host", async () => {
    const jump = destinationOf("debian-12", "ops");
    const destination = destinationOf("debian-13", "deploy", { jump });
    const connection = await connect(
      destination,
      home.options({ prompt: scriptedPrompts("deploy") }),
    );
    const { stdout } = await connection.exec(
      'id -u; echo "$SSH_CONNECTION"; cat /etc/debian_version',
    );
    expect(stdout).toMatch(/^0\n.*\n13\./);
    const data = randomBytes(20_000_000);
    const sum = await connection.exec("sha256sum", { stdin: data });
    expect(sum.stdout).toContain(createHash("sha256").update(data).digest("hex"));
    await connection.close();
  });
});
