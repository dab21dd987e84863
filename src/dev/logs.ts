import { HostkitError } from "../errors.ts";
import type { Connection } from "../ssh/connection.ts";
import { plainText } from "../report/terminal-text.ts";
import { sh } from "../shell/script.ts";
import { fitsUnit, unitPatternsOf } from "../session/stack-units.ts";
import type { DevSession } from "./session.ts";
import { isDockerNoise } from "./sync.ts";

/** What a follower tells. */
export interface LogListener {
  /** A service's name and one line it wrote. */
  onLine(service: string, line: string): void;
  /** The connection is gone; another is tried for. */
  onLost(error: HostkitError): void;
  onBack(): void;
}

interface Unit {
  readonly service: string;
  readonly pattern: string;
}

const pauseMs = 1000;
/** Characters of one entry: journald cuts longer messages itself. */
const maxEntry = 1024 * 1024;

/** Follows what the services of a session write, from now on, over lost connections too. */
export class LogFollower {
  readonly #session: DevSession;
  readonly #listener: LogListener;
  #units: readonly Unit[] = [];
  /** Of the last line that came: the next connection goes on behind it. */
  #cursor: string | undefined;
  #turn = new AbortController();

  constructor(session: DevSession, listener: LogListener) {
    this.#session = session;
    this.#listener = listener;
  }

  /** Resolves once the signal says so. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#turn.abort(), { once: true });
    let isLost = false;
    while (!signal.aborted) {
      this.#turn = new AbortController();
      this.#units = this.#listUnits();
      try {
        const connection = await this.#session.connection();
        if (isLost) this.#listener.onBack();
        isLost = false;
        await this.#follow(connection, this.#turn.signal);
      } catch (error) {
        const isAway = error instanceof HostkitError && error.code === "host_unreachable";
        if (isAway && !isLost && !signal.aborted) {
          isLost = true;
          this.#listener.onLost(error);
        }
      }
      if (!signal.aborted && !this.#turn.signal.aborted)
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** After each pass: the manifest may have other services by now. */
  refresh(): void {
    if (JSON.stringify(this.#listUnits()) !== JSON.stringify(this.#units)) this.#turn.abort();
  }

  #listUnits(): Unit[] {
    const { names, project } = this.#session;
    return names.flatMap((service) =>
      unitPatternsOf(project.manifest, service).map((pattern) => ({ service, pattern })),
    );
  }

  async #follow(connection: Connection, signal: AbortSignal): Promise<void> {
    const units = this.#units.flatMap(({ pattern }) => ["-u", pattern]);
    const from = this.#cursor === undefined ? ["-n", "0"] : ["--after-cursor", this.#cursor];
    // A host that was made anew does not know it.
    this.#cursor = undefined;
    const decoder = new TextDecoder();
    let rest = "";
    await connection.exec(
      sh`exec journalctl -q -f -o json --output-fields=_SYSTEMD_UNIT,MESSAGE ${from} ${units}`.text,
      {
        signal,
        onStdout: (chunk) => {
          const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
          rest = lines.pop() ?? "";
          if (rest.length > maxEntry) rest = "";
          for (const line of lines) this.#take(line);
        },
      },
    );
  }

  #take(line: string): void {
    const entry = parseEntry(line);
    if (entry === undefined) return;
    this.#cursor = entry.cursor;
    // What systemd itself says of a unit is not the service's.
    const found = this.#units.find(({ pattern }) => fitsUnit(pattern, entry.unit));
    if (found !== undefined && !isDockerNoise(entry.text))
      this.#listener.onLine(found.service, entry.text);
  }
}

function parseEntry(
  line: string,
): { unit: string; text: string; cursor: string | undefined } | undefined {
  try {
    const {
      _SYSTEMD_UNIT: unit = "",
      MESSAGE: message,
      __CURSOR: cursor,
    } = JSON.parse(line) as {
      _SYSTEMD_UNIT?: string;
      /** A list of bytes where it is not UTF-8. */
      MESSAGE?: string | number[] | null;
      __CURSOR?: string;
    };
    const text =
      typeof message === "string"
        ? message
        : new TextDecoder().decode(Uint8Array.from(message ?? []));
    return { unit, text: plainText(text), cursor };
  } catch {
    return undefined;
  }
}
