import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect } from "../../../src/ssh/connect.ts";
import type { Connection } from "../../../src/ssh/connection.ts";
import type { LocalTerminal } from "../../../src/ssh/connection.ts";
import { makeSshHome, scriptedPrompts } from "../../harness/ssh-client.ts";
import type { SshHome } from "../../harness/ssh-client.ts";
import { makeKey, startSshServer } from "../../harness/ssh-server.ts";
import type { SudoBehaviour, TestSshServer } from "../../harness/ssh-server.ts";

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

async function open(user: string, sudo: SudoBehaviour, ...answers: string[]): Promise<Connection> {
  server = await startSshServer({ authorizedKeys: [key.public], sudo });
  const { address, port } = server;
  const hostKey = server.hostKeys[0] as string;
  const prompt = scriptedPrompts(...answers);
  return connect({ name: "dx1", address, port, user, hostKey }, home.options({ prompt }));
}

/** A terminal whose screen is a text, and whose keys are pressed when it shows something. */
function makeTerminal() {
  const input = Object.assign(new PassThrough(), { isRaw: false });
  const modes: boolean[] = [];
  Object.assign(input, { setRawMode: (raw: boolean) => void modes.push(raw) });
  const output = Object.assign(new PassThrough(), { rows: 30, columns: 100 });
  const screen = { text: "" };
  const changed = new EventEmitter();
  output.on("data", (chunk: Buffer) => {
    screen.text += chunk.toString("utf8");
    changed.emit("change");
  });
  const terminal = { input, output, type: "xterm" } as unknown as LocalTerminal;
  const shows = async (text: string): Promise<void> => {
    while (!screen.text.includes(text))
      await new Promise<void>((resolve) => changed.once("change", () => resolve()));
  };
  return { terminal, input, output, modes, screen, shows };
}

const logins: readonly (readonly [string, string, SudoBehaviour, readonly string[]])[] = [
  ["root", "root", "nopasswd", []],
  ["sudo without a password", "deploy", "nopasswd", []],
  ["sudo with a password", "deploy", { password: secret }, [secret]],
];
test.each(logins)(
  "%s: keys go there, words come back, the status too",
  async (_, user, sudo, answers) => {
    const connection = await open(user, sudo, ...answers);
    const { terminal, input, output, modes, screen, shows } = makeTerminal();
    const result = connection.execOnTerminal(
      `test -t 0 && test -t 1 && printf 'name? '; read -r name; echo "grüß $name"; exit 7`,
      terminal,
    );
    await shows("name? ");
    // Nothing of sudo, its question or its answer is on the screen.
    expect(screen.text).toBe("name? ");
    Object.assign(output, { rows: 44, columns: 133 });
    output.emit("resize");
    input.write("ann\r");
    expect(await result).toEqual({ code: 7, signal: null });
    expect(screen.text).toBe("name? ann\r\ngrüß ann\r\n");
    expect(modes).toEqual([true, false]);
    expect(server.windows).toEqual(["100x30", "133x44"]);
    expect(input.listenerCount("data")).toBe(0);
    await connection.close();
  },
);

test("a password that does not fit any more is an error, not a hang", async () => {
  const connection = await open("deploy", { password: secret }, secret);
  server.setSudo({ password: "another" });
  const { terminal, modes, screen } = makeTerminal();
  await expect(connection.execOnTerminal("true", terminal)).rejects.toMatchObject({
    code: "sudo_failed",
  });
  expect(screen.text).toBe("");
  expect(modes).toEqual([]);
  await connection.close();
});

test("a lost connection gives the terminal back", async () => {
  const connection = await open("root", "nopasswd");
  const { terminal, modes, shows } = makeTerminal();
  const result = connection.execOnTerminal("echo here; read -r never", terminal);
  await Promise.all([
    expect(result).rejects.toMatchObject({ code: "host_unreachable" }),
    shows("here").then(() => server.cut()),
  ]);
  expect(modes).toEqual([true, false]);
});
