/** A DX cluster node that is not one: speaks the log-in dialogue of three programs and sends what it is told to. */
import * as net from "node:net";
import { formatSpot, type MadeSpot } from "./traffic.ts";

export type Flavour = "dxspider" | "arcluster" | "cccluster";

const greetings: Readonly<
  Record<Flavour, { readonly prompt: string; readonly welcome: (call: string) => string }>
> = {
  dxspider: {
    prompt: "login: ",
    welcome: (call) =>
      `\r\nHello ${call}, this is SIM0-1 in the lab, running DXSpider V1.57\r\nCluster: 1 nodes, 1 users\r\n${call} de SIM0-1 21-Nov-2026 0000Z dxspider >\r\n`,
  },
  arcluster: {
    prompt: "Welcome to the SIM0 Telnet Port\r\n\r\nPlease enter your call: ",
    welcome: (call) =>
      `\r\nWelcome ${call}!\r\nAR-Cluster Version 6\r\n${call} de SIM0 0000Z SIM0>\r\n`,
  },
  cccluster: {
    prompt: "Please enter your call:\r\n",
    welcome: (call) =>
      `Hello ${call}.\r\nCC Cluster 3.4\r\n${call} de SIM0-2 21-Nov-2026 0000Z   CCC >\r\n`,
  },
};

export interface NodeStatus {
  readonly clients: number;
  readonly logins: number;
  readonly sent: number;
  readonly stalled: boolean;
  readonly callsigns: readonly string[];
}

interface Client {
  readonly socket: net.Socket;
  callsign: string | null;
  heard: string;
}

export class SimulatedNode {
  readonly #flavour: Flavour;
  readonly #server: net.Server;
  readonly #clients = new Set<Client>();
  #logins = 0;
  #sent = 0;
  #stalled = false;

  constructor(flavour: Flavour) {
    this.#flavour = flavour;
    this.#server = net.createServer((socket) => {
      this.#welcome(socket);
    });
  }

  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** To every logged-in client. Returns how many got it. */
  send(bytes: string | Buffer): number {
    if (this.#stalled) return 0;
    let receivers = 0;
    for (const client of this.#clients) {
      if (client.callsign === null) continue;
      client.socket.write(typeof bytes === "string" ? `${bytes}\r\n` : bytes);
      receivers++;
    }
    return receivers;
  }

  spot(spot: MadeSpot, time: Date, grid = ""): boolean {
    if (this.send(formatSpot(spot, time, grid)) === 0) return false;
    this.#sent++;
    return true;
  }

  /** Cuts every connection. */
  drop(): void {
    for (const client of this.#clients) client.socket.destroy();
  }

  /** Keeps connections open and accepts new ones, but says nothing and answers nothing. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    if (stalled) return;
    for (const client of this.#clients)
      if (client.callsign === null) client.socket.write(greetings[this.#flavour].prompt);
  }

  /** Bytes that wait in the sockets: a reader that is too slow shows here. */
  backlog(): number {
    let bytes = 0;
    for (const client of this.#clients) bytes += client.socket.writableLength;
    return bytes;
  }

  status(): NodeStatus {
    return {
      clients: this.#clients.size,
      logins: this.#logins,
      sent: this.#sent,
      stalled: this.#stalled,
      callsigns: [...this.#clients].flatMap((client) =>
        client.callsign === null ? [] : [client.callsign],
      ),
    };
  }

  #welcome(socket: net.Socket): void {
    const client: Client = { socket, callsign: null, heard: "" };
    this.#clients.add(client);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("data", (chunk) => {
      client.heard += chunk.toString("latin1");
      const lines = client.heard.split(/\r?\n/);
      client.heard = (lines.pop() ?? "").slice(-1000);
      for (const line of lines) this.#answer(client, line.trim());
    });
    if (!this.#stalled) socket.write(greetings[this.#flavour].prompt);
  }

  #answer(client: Client, line: string): void {
    if (this.#stalled) return;
    if (client.callsign === null) {
      const call = line.replace(/[^A-Za-z0-9/-]/g, "").toUpperCase();
      if (!/^(?=.*\d)[A-Z0-9/-]{3,}$/.test(call)) {
        client.socket.write(`Sorry "${call}" is an invalid callsign\r\n`);
        client.socket.end();
        return;
      }
      client.callsign = call;
      this.#logins++;
      client.socket.write(greetings[this.#flavour].welcome(call));
      return;
    }
    if (/^(?:bye|quit|exit)$/i.test(line)) client.socket.end("73\r\n");
    else client.socket.write(`${client.callsign} de SIM0-1 0000Z >\r\n`);
  }
}
