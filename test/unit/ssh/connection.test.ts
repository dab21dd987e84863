import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../src/ssh/connect.ts";
import type { Connection } from "../../../src/ssh/connection.ts";
import type { ConnectOptions, Destination } from "../../../src/ssh/destination.ts";
import { HostkitError } from "../../../src/errors.ts";
import { makeSshHome, type SshHome } from "../../harness/ssh-client.ts";
import { startSlowWire } from "../../harness/slow-wire.ts";
import { makeKey, startSshServer, type TestSshServer } from "../../harness/ssh-server.ts";

const key = makeKey();
let home: SshHome;

beforeAll(() => {
  home = makeSshHome();
  home.write("id_ed25519", key.private);
});
afterAll(() => home.remove());

const destinationOf = (server: TestSshServer, more: Partial<Destination> = {}): Destination => ({
  name: "dx1",
  address: server.address,
  port: server.port,
  user: "root",
  hostKey: server.hostKeys[0] as string,
  ...more,
});

async function failure(promise: Promise<unknown>): Promise<HostkitError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof HostkitError) return error;
  throw error;
}

describe("exec", () => {
  let server: TestSshServer;
  let connection: Connection;
  beforeAll(async () => {
    server = await startSshServer({ authorizedKeys: [key.public] });
    connection = await connect(destinationOf(server), home.options());
  });
  afterAll(async () => {
    await connection.close();
    await server.close();
  });

  it("gives status, output and errors apart", async () => {
    const result = await connection.exec("echo out; echo err >&2; exit 7");
    expect(result).toEqual({ code: 7, signal: null, stdout: "out\n", stderr: "err\n" });
  });

  it("gives the signal that ended a command", async () => {
    expect(await connection.exec("kill -9 0")).toMatchObject({ code: null, signal: "SIGKILL" });
  });

  it("closes an input that nobody gave", async () => {
    expect((await connection.exec("cat; echo end")).stdout).toBe("end\n");
  });

  it("passes any text to the shell unchanged", async () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom("'", '"', "\\", "$", "`", "\n", "!", "*", " "),
        fc.string({ minLength: 1, maxLength: 1 }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(text, async (words) => {
        fc.pre(!words.includes("\0"));
        const { stdout } = await connection.exec(`cat <<'hostkit-end'\n${words}\nhostkit-end`);
        expect(stdout).toBe(`${words}\n`);
      }),
      { numRuns: 40 },
    );
  });

  it("runs a script beyond the length of an argument, and leaves the input to it", async () => {
    const long = "x".repeat(400_000);
    const { stdout } = await connection.exec(`value='${long}'\nprintf %s "$value" | wc -c\ncat`, {
      stdin: "the rest\n",
    });
    expect(stdout.replaceAll(" ", "")).toBe("400000\ntherest\n");
    expect(server.commands.at(-1)?.length).toBeLessThan(200);
  });

  it.each([
    ["bytes", (data: Buffer) => data],
    [
      "a stream",
      (data: Buffer) => Readable.from([data.subarray(0, 5_000_000), data.subarray(5_000_000)]),
    ],
  ])("carries 12 MB of %s there and back", async (_name, wrap) => {
    const data = randomBytes(12_000_000);
    const hash = createHash("sha256");
    const result = await connection.exec("cat", {
      stdin: wrap(data),
      onStdout: (chunk) => hash.update(chunk),
    });
    expect(result).toEqual({ code: 0, signal: null, stdout: "", stderr: "" });
    expect(hash.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
  });

  it("ends with a command that does not read its input", async () => {
    let isDestroyed = false;
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
      destroy(_error, done) {
        isDestroyed = true;
        done(null);
      },
    });
    expect((await connection.exec("exit 5", { stdin: endless })).code).toBe(5);
    expect(isDestroyed).toBe(true);
  });

  it("fails when its input breaks off", async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error("disk gone"));
      },
    });
    const error = await failure(connection.exec("cat", { stdin: broken }));
    expect(error.code).toBe("run_failed");
    expect(error.parts.why).toBe("disk gone");
  });

  it("hands on output as it comes", async () => {
    const seen: string[] = [];
    const controller = new AbortController();
    const running = connection.exec("echo first; echo second >&2; sleep 60", {
      onStdout: (chunk) => seen.push(`out ${chunk.toString()}`),
      onStderr: (chunk) => {
        seen.push(`err ${chunk.toString()}`);
        if (seen.length === 2) controller.abort();
      },
      signal: controller.signal,
    });
    expect((await failure(running)).code).toBe("run_interrupted");
    expect(seen.sort()).toEqual(["err second\n", "out first\n"]);
    expect((await connection.exec("echo alive")).stdout).toBe("alive\n");
  });

  it.each([
    ["stdout", "yes"],
    ["stderr", "yes >&2"],
  ])("gives up an endless answer on %s", async (_stream, command) => {
    const error = await failure(connection.exec(command, { maxBytes: 1024 * 1024 }));
    expect(error.code).toBe("run_failed");
    expect(error.parts.what).toContain("answers a command with more than 1 MiB");
    expect(error.parts.next).toContain("ssh ");
    expect((await connection.exec("echo alive")).stdout).toBe("alive\n");
  });

  it("an answer has a bound without being told one", async () => {
    const error = await failure(connection.exec("head -c 20000000 /dev/zero"));
    expect(error.parts.what).toContain("more than 16 MiB");
  });

  it("says that the login shell does not run what it is sent", async () => {
    const error = await failure(connection.exec("sleep 60", { firstByteMs: 50 }));
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.what).toContain("login shell");
    const { stdout } = await connection.exec("echo >&2; sleep 0.2; echo done", {
      firstByteMs: 150,
    });
    expect(stdout).toBe("done\n");
  });

  it("holds the host up while what it sent is not taken", async () => {
    let taken = 0;
    const seen: number[] = [];
    const { code } = await connection.exec("head -c 8000000 /dev/zero", {
      onStdout: async (chunk) => {
        taken += chunk.length;
        await new Promise((resolve) => setTimeout(resolve, 1));
        seen.push(taken);
      },
    });
    expect(code).toBe(0);
    expect(taken).toBe(8_000_000);
    expect(seen.length).toBeGreaterThan(1);
  });

  it("does not start when it is aborted already", async () => {
    const before = server.commands.length;
    expect((await failure(connection.exec("echo no", { signal: AbortSignal.abort() }))).code).toBe(
      "run_interrupted",
    );
    expect(server.commands).toHaveLength(before);
  });

  it("gives up after its time limit", async () => {
    const error = await failure(connection.exec("sleep 60", { timeoutMs: 100 }));
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.why).toContain("0.1 s");
  });

  it("runs many commands at once", async () => {
    const numbers = Array.from({ length: 25 }, (_, index) => index);
    const results = await Promise.all(numbers.map((number) => connection.exec(`echo ${number}`)));
    expect(results.map((result) => Number(result.stdout))).toEqual(numbers);
  });
});

describe("the end of a connection", () => {
  let server: TestSshServer;
  beforeEach(async () => {
    server = await startSshServer({ authorizedKeys: [key.public] });
  });
  afterEach(() => server.close());

  const open = (more: Partial<ConnectOptions> = {}): Promise<Connection> =>
    connect(destinationOf(server), home.options(more));

  it("by close is no error, and nothing runs any more", async () => {
    const connection = await open();
    await connection.close();
    expect(await connection.closed).toBeUndefined();
    expect((await failure(connection.exec("echo no"))).code).toBe("host_unreachable");
    await connection.close();
  });

  it("by a host that closes it rejects what is running", async () => {
    const connection = await open();
    const running = failure(connection.exec("sleep 60"));
    await connection.exec("echo started");
    server.cut();
    expect((await running).code).toBe("host_unreachable");
    expect(await connection.closed).toBeInstanceOf(HostkitError);
  });

  it("by silence is noticed, and rejects what is running", async () => {
    const connection = await open({ keepaliveSeconds: 0.1 });
    const running = failure(connection.exec("sleep 60"));
    await connection.exec("echo started");
    server.freeze();
    const error = await running;
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.why).toContain("no sign of life");
    expect(await connection.closed).toBe(error);
    await connection.close();
  });

  it("does not come while the host is only busy", async () => {
    const connection = await open({ keepaliveSeconds: 0.1 });
    expect((await connection.exec("sleep 1; echo done")).stdout).toBe("done\n");
    await connection.close();
  });
});

describe("a host that cannot be reached", () => {
  const unreachable = (
    destination: Partial<Destination>,
    more: Partial<ConnectOptions> = {},
  ): Promise<HostkitError> =>
    failure(
      connect(
        { name: "dx1", address: "127.0.0.1", user: "root", ...destination },
        home.options(more),
      ),
    );

  it("waits for an sshd that starts itself again", async () => {
    const server = await startSshServer({ authorizedKeys: [key.public] });
    const { port, close } = await startSlowWire(server.address, server.port, 0);
    await close();
    const opening = connect(destinationOf(server, { address: "127.0.0.1", port }), home.options());
    await new Promise((resolve) => setTimeout(resolve, 250));
    const wire = await startSlowWire(server.address, server.port, 0, port);
    const connection = await opening;
    expect((await connection.exec("echo in")).stdout).toBe("in\n");
    await connection.close();
    await wire.close();
    await server.close();
  });

  it("because nothing listens", async () => {
    const free = createServer();
    const port = await new Promise<number>((resolve) => {
      free.listen(0, "127.0.0.1", () => resolve((free.address() as { port: number }).port));
    });
    await new Promise((resolve) => free.close(resolve));
    const error = await unreachable({ port });
    expect(error.code).toBe("host_unreachable");
    expect(error.parts).toMatchObject({
      what: "dx1 refuses the connection",
      where: `127.0.0.1:${port}`,
    });
  });

  it("because its name does not exist", async () => {
    const error = await unreachable({ address: "no-such-host.invalid" });
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.what).toContain("no-such-host.invalid cannot be resolved");
  });

  it.each([
    ["says nothing", () => undefined],
    [
      "is no SSH server",
      (socket: import("node:net").Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
    ["hangs up", (socket: import("node:net").Socket) => socket.destroy()],
  ])("because what listens %s", async (_name, greet) => {
    const listener = createServer((socket) => {
      socket.on("error", () => undefined);
      greet(socket);
    });
    const port = await new Promise<number>((resolve) => {
      listener.listen(0, "127.0.0.1", () => resolve((listener.address() as { port: number }).port));
    });
    const error = await unreachable({ port }, { connectTimeoutMs: 200 });
    expect(error.code).toBe("host_unreachable");
    expect(error.parts.where).toBe(`127.0.0.1:${port}`);
    listener.close();
  });

  it("over IPv6 is reached by a literal address, brackets or not", async () => {
    const server = await startSshServer({ authorizedKeys: [key.public], address: "::1" });
    for (const address of ["::1", "[::1]"]) {
      const connection = await connect(destinationOf(server, { address }), home.options());
      expect(connection.description).toBe(`root@[::1]:${server.port}`);
      await connection.close();
    }
    await server.close();
  });
});
