import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { need } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { connect } from "../../../src/ssh/connect.ts";
import type { Connection } from "../../../src/ssh/connection.ts";
import { gatherFacts } from "../../../src/host/gather.ts";
import { makeSshHome, type SshHome } from "../../harness/ssh-client.ts";
import { makeKey, startSshServer, type TestSshServer } from "../../harness/ssh-server.ts";
import { type SlowWire, startSlowWire } from "../../harness/slow-wire.ts";

const needs = [
  need(fileFacts, "/etc/passwd"),
  need(textFacts, "/etc/debian_version"),
  need(textFacts, "/etc/passwd"),
  // More than fits into the first packets.
  ...Array.from({ length: 400 }, (_, index) =>
    need(textFacts, `/no/such/folder/of/this/machine/${index}`, `${index}`),
  ),
];

describe("a host that is far away", () => {
  const key = makeKey();
  let home: SshHome;
  let server: TestSshServer;
  let wire: SlowWire;
  let far: Connection;
  let near: Connection;

  beforeAll(async () => {
    home = makeSshHome();
    home.write("id_ed25519", key.private);
    server = await startSshServer({ authorizedKeys: [key.public] });
    wire = await startSlowWire(server.address, server.port, 20);
    const { address, port } = server;
    const target = { name: "dx1", user: "root", hostKey: server.hostKeys[0] as string };
    far = await connect({ ...target, address: "127.0.0.1", port: wire.port }, home.options());
    near = await connect({ ...target, address, port }, home.options());
  });
  afterAll(async () => {
    await far.close();
    await near.close();
    await wire.close();
    await server.close();
    home.remove();
  });

  test("is known by its answers, and tells the same in fewer bytes", async () => {
    expect(far.isFar).toBe(true);
    const facts = await gatherFacts(far, needs, "cafe");
    expect(facts.get(fileFacts, "/etc/passwd")).toMatchObject({ type: "file", owner: "root" });
    expect(facts.all(textFacts).size).toBe(2);
    expect(facts.all(textFacts)).toEqual((await gatherFacts(near, needs, "cafe")).all(textFacts));
  });

  test("a reply that was cut short is no reply", async () => {
    const cut: Connection = {
      ...far,
      description: far.description,
      host: far.host,
      isFar: true,
      closed: far.closed,
      exec: (text, options) => far.exec(`${text} | head -c 300`, options ?? {}),
      execOnTerminal: (text, terminal) => far.execOnTerminal(text, terminal),
      openTcp: (target) => far.openTcp(target),
      close: () => far.close(),
    };
    await expect(gatherFacts(cut, needs, "cafe")).rejects.toMatchObject({ code: "internal" });
  });

  test.each([true, false])(
    "asked as far=%s, read so, whatever replaced the connection",
    async (asked) => {
      const before = asked ? far : near;
      let isFar = asked;
      const replaced: Connection = {
        description: before.description,
        host: before.host,
        get isFar() {
          return isFar;
        },
        closed: before.closed,
        exec: (text, options) => {
          isFar = !asked;
          return before.exec(text, options);
        },
        execOnTerminal: (text, terminal) => before.execOnTerminal(text, terminal),
        openTcp: (target) => before.openTcp(target),
        close: () => before.close(),
      };
      expect((await gatherFacts(replaced, needs, "cafe")).all(textFacts).size).toBe(2);
    },
  );
});
