import { describe, expect, test } from "vitest";
import { HostkitError } from "../../../src/errors.ts";
import { keepConnected } from "../../../src/ssh/live.ts";
import { ScriptedConnection } from "../../harness/scripted-connection.ts";

const unreachable = new HostkitError("host_unreachable", { what: "the link is gone" });

/** Connections one after another; an Error in their place is what opening it ends with. */
function opener(...next: (ScriptedConnection | Error)[]) {
  return async () => {
    const one = next.shift() ?? new Error("nobody expected one more");
    if (one instanceof Error) throw one;
    return one;
  };
}

const says = (stdout: string) => new ScriptedConnection([{ match: /./, result: { stdout } }]);

describe("a connection that is replaced when it is lost", () => {
  test("a host that is not there is told at once", async () => {
    await expect(keepConnected(opener(unreachable))).rejects.toBe(unreachable);
  });

  test("what comes after the loss goes over another one, which may take several tries", async () => {
    const first = says("first");
    const live = await keepConnected(opener(first, unreachable, says("second")));
    expect((await live.exec("true")).stdout).toBe("first");
    first.lose(unreachable);
    expect((await live.exec("true")).stdout).toBe("second");
  });

  test("what was going on is done once more where it may be, and what came of it before is forgotten", async () => {
    const first = new ScriptedConnection([
      {
        match: "read",
        result: () => {
          first.lose(unreachable);
          throw unreachable;
        },
      },
    ]);
    const live = await keepConnected(opener(first, says("all")));
    let forgotten = 0;
    const result = await live.exec("read", { onRepeat: () => void (forgotten += 1) });
    expect([result.stdout, forgotten]).toEqual(["all", 1]);
  });

  test("what changes something is not done twice", async () => {
    const first = new ScriptedConnection([
      {
        match: "write",
        result: () => {
          first.lose(unreachable);
          throw unreachable;
        },
      },
    ]);
    const second = says("");
    const live = await keepConnected(opener(first, second));
    await expect(live.exec("write")).rejects.toBe(unreachable);
    expect(second.commands).toEqual([]);
  });

  test("a command that took too long is no loss", async () => {
    const first = new ScriptedConnection([{ match: "slow", result: unreachable }]);
    const live = await keepConnected(opener(first));
    await expect(live.exec("slow", { onRepeat: () => undefined })).rejects.toBe(unreachable);
  });

  test("another host key, or a login that is refused, ends it", async () => {
    const refused = new HostkitError("host_key_changed", { what: "another key" });
    const first = says("");
    const live = await keepConnected(opener(first, refused, refused));
    first.lose(unreachable);
    await expect(live.exec("true")).rejects.toBe(refused);
  });

  test("a connection that was closed is not opened again", async () => {
    const first = says("");
    const live = await keepConnected(opener(first));
    await live.close();
    await expect(live.exec("true", { onRepeat: () => undefined })).rejects.toThrow();
  });
});
