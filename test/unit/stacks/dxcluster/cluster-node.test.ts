import * as net from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ClusterNode,
  type NodeState,
  type NodeTiming,
} from "../../../../templates/stacks/dxcluster/scraper/src/cluster-node.ts";
import {
  type Flavour,
  flavours,
} from "../../../../templates/stacks/dxcluster/simulator/src/dialects.ts";
import { SimulatedNode } from "../../../../templates/stacks/dxcluster/simulator/src/node.ts";
import { Traffic } from "../../../../templates/stacks/dxcluster/simulator/src/traffic.ts";

const timing: NodeTiming = {
  keepalive: 0.2,
  spotSilence: 60,
  longestBackoff: 0.1,
  connectTimeout: 5,
  loginWait: 0.3,
};
const credentials = { callsign: "N0CALL", password: null, commands: [] };
const spot = { spotter: "DL1ABC", frequency: 14025, dx: "JA1XYZ", comment: "CW" };

interface Heard {
  readonly node: ClusterNode;
  readonly lines: string[];
  readonly states: NodeState[];
  readonly reasons: string[];
  unreachable: number;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function simulate(flavour: Flavour): Promise<{ simulated: SimulatedNode; port: number }> {
  const simulated = new SimulatedNode(flavour);
  const port = await simulated.listen(0, "127.0.0.1");
  closers.push(() => simulated.close());
  return { simulated, port };
}

function call(
  port: number,
  more: Partial<NodeTiming> & {
    readonly catchUp?: number;
    readonly standIn?: number;
    readonly password?: string;
  } = {},
  commands: readonly string[] = [],
): Heard {
  const { catchUp = 0, standIn, password = null, ...times } = more;
  const at = (number: number) => ({ host: "127.0.0.1", port: number });
  const lines: string[] = [];
  const states: NodeState[] = [];
  const reasons: string[] = [];
  const heard: Heard = {
    lines,
    states,
    reasons,
    unreachable: 0,
    node: new ClusterNode(
      standIn === undefined ? [at(port)] : [at(port), at(standIn)],
      { ...credentials, password, commands },
      catchUp,
      { ...timing, ...times },
      {
        line: (line) => {
          lines.push(line.text);
        },
        heard: () => undefined,
        unreachable: () => {
          heard.unreachable++;
        },
        state: (state, why) => {
          states.push(state);
          if (why !== null) reasons.push(why);
        },
      },
    ),
  };
  heard.node.start();
  closers.unshift(() => {
    heard.node.stop();
  });
  return heard;
}

describe("scraper and simulator, over TCP", () => {
  it.each<Flavour>(flavours)("log in to %s and receive a spot", async (flavour) => {
    const { simulated, port } = await simulate(flavour);
    const { lines, node } = call(port, { catchUp: 10 });
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toEqual(["N0CALL"]);
    }, 5000);
    expect(simulated.spot(spot, new Date(Date.UTC(2026, 10, 21, 14, 45)))).toBe(true);
    await vi.waitFor(() => {
      expect(lines.join("\n")).toMatch(
        /^DX de DL1ABC(?:-#)?: +14025\.0 {2}JA1XYZ {7}CW {29}1445Z(?: DL)?$/m,
      );
    }, 5000);
    expect(node.state).toBe("connected");
  });

  it("asks for what it missed, hands that on first and in its order, then what came meanwhile", async () => {
    const { simulated, port } = await simulate("dxspider");
    const { lines } = call(port, { catchUp: 3 });
    const announce = (number: number): void => {
      simulated.spot({ ...spot, comment: `nr ${number}` }, new Date());
    };
    const numbers = (): string[] =>
      lines.flatMap((line) => /\bnr (\d+)/.exec(line)?.slice(1) ?? []);
    for (const number of [1, 2, 3, 4]) announce(number);
    await vi.waitFor(() => {
      expect(numbers()).toEqual(["2", "3", "4"]);
    }, 5000);
    announce(5);
    await vi.waitFor(() => {
      expect(numbers()).toEqual(["2", "3", "4", "5"]);
    }, 5000);
    simulated.drop();
    announce(6);
    await vi.waitFor(() => {
      // The database drops what it has already.
      expect(numbers()).toEqual(["2", "3", "4", "5", "4", "5", "6"]);
    }, 5000);
  });

  it("calls the node that stands in when the first one does not answer", async () => {
    const gone = await simulate("dxspider");
    await gone.simulated.close();
    const { simulated, port } = await simulate("cccluster");
    const { node } = call(gone.port, { standIn: port });
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toEqual(["N0CALL"]);
    }, 5000);
    expect(node.name).toBe(`127.0.0.1:${port}`);
    expect(node.names).toHaveLength(2);
  });

  it("gives the password that a node asks for, and calls again when it is refused", async () => {
    const simulated = new SimulatedNode("arcluster", { history: 0, tear: false, password: "73" });
    const port = await simulated.listen(0, "127.0.0.1");
    closers.push(() => simulated.close());
    call(port, { password: "73" });
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toEqual(["N0CALL"]);
    }, 5000);
    const stranger = call(port, { password: "88" });
    await vi.waitFor(() => {
      expect(stranger.reasons.join()).toContain("the node refused the log-in");
    }, 5000);
  });

  it("reads the fields of CC Cluster when it asked for them", async () => {
    const { simulated, port } = await simulate("cccluster");
    const { lines } = call(port, {}, ["set/ve7cc"]);
    await vi.waitFor(() => {
      simulated.spot(spot, new Date());
      expect(lines.some((line) => line.startsWith("CC11^14025.0^JA1XYZ^"))).toBe(true);
    }, 5000);
  });

  it("reads lines that come torn", async () => {
    const simulated = new SimulatedNode("dxspider", { history: 0, tear: true });
    const port = await simulated.listen(0, "127.0.0.1");
    closers.push(() => simulated.close());
    const { lines } = call(port);
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toHaveLength(1);
    }, 5000);
    const time = new Date(Date.UTC(2026, 10, 21, 14, 45));
    for (let number = 0; number < 100; number++) simulated.spot(spot, time);
    const whole = "DX de DL1ABC:    14025.0  JA1XYZ       CW                             1445Z";
    await vi.waitFor(() => {
      expect(lines.filter((line) => line.startsWith("DX"))).toEqual(Array(100).fill(whole));
    }, 5000);
  });

  it("keeps the half of a spot that comes with the first words", async () => {
    const server = net.createServer((socket) => {
      socket.write("login: ");
      socket.once("data", () => {
        socket.write("DX de DL1ABC:    14025.0  JA");
        // The commands tell that the half was read.
        socket.once("data", () => socket.write("1XYZ   CW  1445Z\r\n"));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => server.close());
    const { lines } = call((server.address() as net.AddressInfo).port, {}, ["unset/beep"]);
    await vi.waitFor(() => {
      expect(lines).toEqual(["DX de DL1ABC:    14025.0  JA1XYZ   CW  1445Z"]);
    }, 5000);
  });

  it("calls again when the connection is cut", async () => {
    const { simulated, port } = await simulate("dxspider");
    call(port);
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toHaveLength(1);
    }, 5000);
    simulated.drop();
    await vi.waitFor(() => {
      expect(simulated.status().logins).toBe(2);
    }, 5000);
  });

  it("keeps a quiet connection by asking, and leaves one that answers nothing", async () => {
    const { simulated, port } = await simulate("dxspider");
    const heard = call(port);
    await vi.waitFor(() => {
      // The answers to three keepalives.
      expect(
        heard.lines.filter((line) => line.endsWith("dxspider >")).length,
      ).toBeGreaterThanOrEqual(3);
    }, 5000);
    expect(simulated.status().logins).toBe(1);
    simulated.stall(true);
    await vi.waitFor(() => {
      expect(heard.reasons.join()).toContain("silent: connected, yet nothing came");
    }, 5000);
    simulated.stall(false);
    await vi.waitFor(() => {
      expect(simulated.status().logins).toBe(2);
    }, 5000);
  });

  it("leaves a node that answers but has no spots any more", async () => {
    const { port } = await simulate("dxspider");
    const heard = call(port, { spotSilence: 0.5 });
    await vi.waitFor(() => {
      expect(heard.reasons.join()).toContain("no spot for too long");
    }, 5000);
  });

  it("says that a node cannot be reached", async () => {
    const { simulated, port } = await simulate("dxspider");
    await simulated.close();
    const heard = call(port);
    await vi.waitFor(() => {
      expect(heard.unreachable).toBeGreaterThan(1);
    }, 5000);
  });

  it("survives garbage and hears what comes after it", async () => {
    const { simulated, port } = await simulate("dxspider");
    const heard = call(port);
    await vi.waitFor(() => {
      expect(simulated.status().callsigns).toHaveLength(1);
    }, 5000);
    const traffic = new Traffic(7);
    for (let count = 0; count < 200; count++) simulated.send(traffic.garbage());
    simulated.send("");
    simulated.spot(spot, new Date());
    await vi.waitFor(() => {
      expect(heard.lines.some((line) => line.includes("JA1XYZ"))).toBe(true);
    }, 5000);
    expect(simulated.status().logins).toBe(1);
  });
});
