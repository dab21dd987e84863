/** A DX cluster node that is not one: speaks the log-in dialogue of its program and sends what it is told to. */
import * as net from "node:net";
import { dialects, type Flavour, formatFields, formatPast } from "./dialects.ts";
import type { MadeSpot } from "./traffic.ts";

export interface NodeStatus {
  readonly clients: number;
  readonly logins: number;
  /** Spots written to at least one logged-in client. */
  readonly sent: number;
  /** Spots made, whether or not anybody was logged in: `show/dx` tells of these. */
  readonly announced: number;
  /** Times that somebody asked for the past. */
  readonly asked: number;
  readonly stalled: boolean;
  readonly callsigns: readonly string[];
}

interface Client {
  readonly socket: net.Socket;
  phase: "call" | "password" | "name" | "correct" | "in";
  callsign: string;
  fields: boolean;
  heard: string;
}

export interface NodeHabits {
  /** Spots that `show/dx` can tell of at most. */
  readonly history: number;
  /** Cuts every line in two writes. */
  readonly tear: boolean;
  /** Asked for after the callsign. */
  readonly password?: string;
}

export class SimulatedNode {
  readonly flavour: Flavour;
  readonly #habits: NodeHabits;
  readonly #server: net.Server;
  readonly #clients = new Set<Client>();
  readonly #names = new Set<string>();
  #past: { readonly spot: MadeSpot; readonly time: Date }[] = [];
  #logins = 0;
  #sent = 0;
  #announced = 0;
  #asked = 0;
  #stalled = false;

  constructor(flavour: Flavour, habits: NodeHabits = { history: 100, tear: false }) {
    this.flavour = flavour;
    this.#habits = habits;
    this.#server = net.createServer((socket) => {
      this.#greet(socket);
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
    return this.#sendEach(() => bytes);
  }

  /** A recorded line, one byte a character. */
  line(text: string): void {
    this.#announced++;
    if (this.send(Buffer.from(`${text}\r\n`, "latin1")) > 0) this.#sent++;
  }

  /** Announces a spot. Returns whether anybody got it; those who log in later can ask for it. */
  spot(spot: MadeSpot, time: Date, grid = ""): boolean {
    this.#announced++;
    this.#past.push({ spot, time });
    // Cut now and then, not each time: shifting a long list is slow.
    if (this.#past.length > 2 * this.#habits.history + 100)
      this.#past = this.#past.slice(this.#past.length - this.#habits.history);
    const line = dialects[this.flavour].spot(spot, time, grid);
    const receivers = this.#sendEach((client) => (client.fields ? formatFields(spot, time) : line));
    if (receivers === 0) return false;
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
      if (client.phase === "call") client.socket.write(dialects[this.flavour].prompt);
  }

  /** From now on `show/dx` tells only of what comes. */
  forget(): void {
    this.#past = [];
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
      announced: this.#announced,
      asked: this.#asked,
      stalled: this.#stalled,
      callsigns: [...this.#clients].flatMap((client) =>
        client.phase === "in" ? [client.callsign] : [],
      ),
    };
  }

  #sendEach(make: (client: Client) => string | Buffer): number {
    if (this.#stalled) return 0;
    let receivers = 0;
    for (const client of this.#clients) {
      if (client.phase !== "in") continue;
      const made = make(client);
      const bytes = typeof made === "string" ? Buffer.from(`${made}\r\n`, "utf8") : made;
      const cut = this.#habits.tear ? (receivers * 7 + this.#announced * 13) % bytes.length : 0;
      if (cut > 0) client.socket.write(bytes.subarray(0, cut));
      client.socket.write(bytes.subarray(cut));
      receivers++;
    }
    return receivers;
  }

  #greet(socket: net.Socket): void {
    const client: Client = { socket, phase: "call", callsign: "", fields: false, heard: "" };
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
    if (!this.#stalled) socket.write(dialects[this.flavour].prompt);
  }

  #answer(client: Client, line: string): void {
    if (this.#stalled) return;
    const { socket } = client;
    switch (client.phase) {
      case "call": {
        const call = line.replace(/[^A-Za-z0-9/-]/g, "").toUpperCase();
        if (!/^(?=.*\d)[A-Z0-9/-]{3,}$/.test(call)) {
          socket.end(`Sorry "${call}" is an invalid callsign\r\n`);
          return;
        }
        client.callsign = call;
        if (this.#habits.password === undefined) this.#know(client);
        else {
          client.phase = "password";
          socket.write("password: ");
        }
        return;
      }
      case "password":
        if (line === this.#habits.password) this.#know(client);
        else socket.end("Sorry, invalid password\r\n");
        return;
      case "name":
        client.phase = "correct";
        socket.write(`Your name is ${line}.  Is this correct? (Y or N) >`);
        return;
      case "correct":
        if (/^y/i.test(line)) {
          this.#names.add(client.callsign);
          this.#enter(client);
        } else {
          client.phase = "name";
          socket.write("Please enter your name\r\n");
        }
        return;
      case "in":
        this.#obey(client, line);
    }
  }

  #know(client: Client): void {
    if (dialects[this.flavour].asksName && !this.#names.has(client.callsign)) {
      client.phase = "name";
      client.socket.write("\r\nPlease enter your name\r\n");
    } else this.#enter(client);
  }

  #enter(client: Client): void {
    const { welcome, ready } = dialects[this.flavour];
    client.phase = "in";
    this.#logins++;
    const now = new Date();
    client.socket.write(welcome(client.callsign, now) + ready(client.callsign, now));
  }

  #obey(client: Client, line: string): void {
    const dialect = dialects[this.flavour];
    const ready = dialect.ready(client.callsign, new Date());
    const wanted = /^sh(?:ow)?\/dx(?:[/ ](\d+))?$/i.exec(line);
    if (/^(?:bye|quit|exit)$/i.test(line)) client.socket.end("73\r\n");
    else if (wanted !== null && dialect.tellsHistory) {
      this.#asked++;
      const count = Math.min(Number(wanted[1] ?? 30), this.#habits.history);
      const past = count === 0 ? [] : this.#past.slice(-count).reverse();
      const text = past.map(({ spot, time }) => `${formatPast(spot, time)}\r\n`).join("");
      client.socket.write(text + ready);
    } else if (/^set\/ve7cc$/i.test(line) && this.flavour === "cccluster") {
      client.fields = true;
      client.socket.write(ready);
    } else if (line === "" || /^(?:un)?set\//i.test(line)) client.socket.write(ready);
    else client.socket.write(`Unknown command - (${line})\r\n${ready}`);
  }
}
