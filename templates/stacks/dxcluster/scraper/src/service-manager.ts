/**
 * Tells systemd how the service is. Node has no datagram sockets for the notify socket, so the launcher
 * (/usr/bin/dx-scraper) opens it and passes on what is written to the pipe it names in DX_NOTIFY_FD.
 */
import * as fs from "node:fs";

export class ServiceManager {
  #pipe: number | null;
  #status = "";
  readonly #orphaned: () => void;

  /** @param orphaned called when the launcher is gone: nobody would stop or watch this process then. */
  constructor(environment: Readonly<Record<string, string | undefined>>, orphaned: () => void) {
    this.#orphaned = orphaned;
    const number = Number(environment["DX_NOTIFY_FD"] ?? "");
    this.#pipe = Number.isInteger(number) && number > 2 ? number : null;
  }

  ready(): void {
    this.#send("READY=1");
  }

  alive(): void {
    this.#send("WATCHDOG=1");
  }

  stopping(): void {
    this.#send("STOPPING=1");
  }

  status(text: string): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#send(`STATUS=${text.replaceAll("\n", " ")}`);
  }

  #send(line: string): void {
    if (this.#pipe === null) return;
    try {
      fs.writeSync(this.#pipe, `${line}\n`);
    } catch {
      this.#pipe = null;
      this.#orphaned();
    }
  }
}
