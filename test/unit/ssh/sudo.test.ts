import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../src/ssh/connect.ts";
import type { Connection } from "../../../src/ssh/connection.ts";
import type { ConnectOptions, Destination } from "../../../src/ssh/destination.ts";
import { formatError, HostkitError } from "../../../src/errors.ts";
import { composeRequest } from "../../../src/ssh/sudo.ts";
import { makeSshHome, type SshHome, scriptedPrompts } from "../../harness/ssh-client.ts";
import {
  makeKey,
  type SudoBehaviour,
  startSshServer,
  type TestSshServer,
} from "../../harness/ssh-server.ts";

const key = makeKey();
const secret = `t'u"l$i\\p ü`;
let home: SshHome;
let server: TestSshServer;

beforeEach(() => {
  home = makeSshHome();
  home.write("id_ed25519", key.private);
});
afterEach(async () => {
  await server.close();
  home.remove();
});

async function open(
  sudo: SudoBehaviour,
  options: Partial<ConnectOptions> = {},
  more: Partial<Destination> = {},
): Promise<Connection> {
  server = await startSshServer({ authorizedKeys: [key.public], sudo });
  const destination: Destination = {
    name: "dx1",
    address: server.address,
    port: server.port,
    user: "deploy",
    hostKey: server.hostKeys[0] as string,
    ...more,
  };
  return await connect(destination, home.options(options));
}

async function refused(...given: Parameters<typeof open>): Promise<HostkitError> {
  const error = await open(...given).then(
    () => new Error("it worked"),
    (reason: unknown) => reason,
  );
  if (error instanceof HostkitError) return error;
  throw error;
}

describe("becoming root", () => {
  it("costs root no command at all", async () => {
    const connection = await open("missing", {}, { user: "root" });
    expect(server.commands).toEqual([]);
    expect((await connection.exec("echo hi")).stdout).toBe("hi\n");
    expect(server.commands).toEqual(["sh -c 'echo hi'"]);
    await connection.close();
  });

  it("costs a sudo user one command, and asks nothing where sudo asks nothing", async () => {
    const connection = await open("nopasswd");
    expect(server.commands).toHaveLength(1);
    expect((await connection.exec("cat; echo end", { stdin: "in " })).stdout).toBe("in end\n");
    expect(server.commands[1]).toMatch(/^sudo -n sh -c /);
    expect(server.commands[1]).not.toContain("echo end");
    await connection.close();
  });

  it("asks for the password once, and it stands in no command line", async () => {
    const prompt = scriptedPrompts(secret);
    const connection = await open({ password: secret }, { prompt });
    expect(server.commands).toHaveLength(1);
    for (let round = 0; round < 3; round++) {
      const result = await connection.exec("cat; echo $#; exit 3", { stdin: `in ${round} ` });
      expect(result).toEqual({ code: 3, signal: null, stdout: `in ${round} 0\n`, stderr: "" });
    }
    expect(prompt.questions).toEqual(["Password of deploy on dx1, for sudo:"]);
    expect(server.commands.join("\n")).not.toContain(secret);
    await connection.close();
  });

  it("asks again after a wrong password, three times", async () => {
    const prompt = scriptedPrompts("wrong", "wrong again", secret);
    const connection = await open({ password: secret }, { prompt });
    expect(prompt.questions).toHaveLength(3);
    expect((await connection.exec("echo in")).stdout).toBe("in\n");
    await connection.close();
  });

  it("asks nothing again for the next connection, unless the password has changed", async () => {
    const prompt = scriptedPrompts("tulip", "tulip");
    const first = await open({ password: "tulip" }, { prompt });
    const destination: Destination = {
      name: "dx1",
      address: server.address,
      port: server.port,
      user: "deploy",
      hostKey: server.hostKeys[0] as string,
    };
    const again = async (): Promise<number> => {
      const connection = await connect(destination, home.options({ prompt }));
      expect((await connection.exec("echo in")).stdout).toBe("in\n");
      await connection.close();
      return prompt.questions.length;
    };
    expect(await again()).toBe(1);
    prompt.memory?.set(`sudo deploy@${server.address}:${server.port}`, "yesterday's");
    expect(await again()).toBe(2);
    expect(await again()).toBe(2);
    await first.close();
  });

  it("speaks with sudo-rs as well", async () => {
    const sudo = { password: secret, dialect: "sudo-rs" } as const;
    const connection = await open(sudo, { prompt: scriptedPrompts("wrong", secret) });
    expect((await connection.exec("cat; echo in", { stdin: "stdin " })).stdout).toBe("stdin in\n");
    await connection.close();
    await server.close();
    expect((await refused(sudo, { prompt: scriptedPrompts("a", "b", "c") })).code).toBe(
      "sudo_failed",
    );
  });

  it("gives up after three wrong passwords, without telling them", async () => {
    const error = await refused(
      { password: secret },
      { prompt: scriptedPrompts("rose1", "rose2", "rose3") },
    );
    expect(error.code).toBe("sudo_failed");
    expect(formatError(error)).toContain("3 incorrect password attempts");
    expect(formatError(error)).not.toContain("rose");
  });

  it("does not ask without a terminal", async () => {
    const error = await refused({ password: secret });
    expect(error.code).toBe("sudo_failed");
    expect(error.parts.why).toBe("there is no terminal to ask on");
  });

  it("passes on a question that was not answered", async () => {
    const cancelled = new HostkitError("run_interrupted", {
      what: "the question was not answered",
    });
    const prompt = { ...scriptedPrompts(), secret: () => Promise.reject(cancelled) };
    expect(await refused({ password: secret }, { prompt })).toBe(cancelled);
  });

  it("says when there is no sudo", async () => {
    const error = await refused("missing");
    expect(error.code).toBe("sudo_failed");
    expect(error.parts.why).toBe("the program sudo is not installed");
  });

  it("says when the user is not in sudoers", async () => {
    const error = await refused("not-in-sudoers", { prompt: scriptedPrompts("any") });
    expect(error.code).toBe("sudo_failed");
    expect(formatError(error)).toContain("deploy is not in the sudoers file.");
    expect(error.parts.next).toContain("adduser deploy sudo");
  });

  it("never uses sudo with sudo: false", async () => {
    const connection = await open("missing", {}, { sudo: false });
    expect((await connection.exec("echo in")).stdout).toBe("in\n");
    await connection.close();
  });
});

describe("a script on its way to root", () => {
  it("is packed when it is long and the way too, and does the same", async () => {
    const connection = await open("nopasswd", {}, { sudo: false });
    const words = Array.from({ length: 2000 }, (_, index) => `it's \\ "${index}" $HOME ö`);
    const script = `cat\n${words.map((word) => `printf '%s\\n' '${word.replaceAll("'", `'\\''`)}'`).join("\n")}\nexit 3`;
    const { command } = composeRequest({ kind: "already" }, script, true);
    expect(command.length).toBeLessThan(script.length / 2);
    const result = await connection.exec(command, { stdin: "payload\n" });
    expect(result).toEqual({
      ...{ code: 3, signal: null, stderr: "" },
      stdout: `payload\n${words.map((word) => `${word}\n`).join("")}`,
    });
    await connection.close();
  });

  it("is not run by halves when the connection breaks off", async () => {
    const connection = await open("nopasswd");
    const { command, prefix = new Uint8Array() } = composeRequest(
      { kind: "sudo" },
      "echo one\necho two\n",
      false,
    );
    for (let length = 0; length < prefix.length - 2; length++) {
      // The same bytes, cut off: nothing of it may run.
      const cut = Buffer.from(prefix.subarray(0, length)).toString("base64");
      const { stdout } = await connection.exec(`printf %s '${cut}' | base64 -d | { ${command}; }`);
      expect(stdout).toBe("");
    }
    await connection.close();
  });

  it("does not see the password where sudo has stopped asking for it", async () => {
    const connection = await open({ password: secret }, { prompt: scriptedPrompts(secret) });
    server.setSudo("nopasswd");
    const result = await connection.exec("cat", { stdin: "payload\n" });
    expect(result).toEqual({ code: 0, signal: null, stdout: "payload\n", stderr: "" });
    await connection.close();
  });

  it("is not sent at all where sudo does not take the password any more", async () => {
    const connection = await open({ password: secret }, { prompt: scriptedPrompts(secret) });
    server.setSudo({ password: "another" });
    const error = await connection
      .exec("cat", { stdin: "payload\n" })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "sudo_failed" });
    server.setSudo("not-in-sudoers");
    await expect(connection.exec("cat")).rejects.toMatchObject({ code: "sudo_failed" });
    await connection.close();
  });

  it("says so when nothing of it arrived, instead of doing nothing", async () => {
    const connection = await open("nopasswd");
    const { command } = composeRequest({ kind: "sudo" }, "echo one", false);
    const result = await connection.exec(`${command} </dev/null`);
    expect(result).toMatchObject({ code: 125, stderr: "hostkit: the script did not arrive\n" });
    await connection.close();
  });
});
