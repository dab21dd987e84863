import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export interface Listener {
  readonly protocol: "tcp" | "udp";
  /** As ss(8) prints it: `0.0.0.0`, `[::]`, `*`, `127.0.0.1`, `127.0.0.1%lo`. */
  readonly address: string;
  readonly port: number;
  /** Program name as the kernel knows it (15 characters); "" where it is not known. */
  readonly program: string;
  /** 0 where not known. */
  readonly pid: number;
}

/** The one subject of this source. */
export const listenersSubject = "host";

/** Every socket that listens (TCP) or is bound (UDP), with its program. */
export const listenerFacts: FactSource<readonly Listener[]> = {
  name: "listeners",
  script: () => sh`ss -Hltunp`,
  parse(stdout) {
    const listeners: Listener[] = [];
    for (const line of stdout.split("\n")) {
      const [protocol, , , , local, , users] = line.trim().split(/\s+/);
      if ((protocol !== "tcp" && protocol !== "udp") || local === undefined) continue;
      const at = local.lastIndexOf(":");
      const owner = /\("([^"]*)",pid=(\d+)/.exec(users ?? "");
      listeners.push({
        protocol,
        address: local.slice(0, at),
        port: Number(local.slice(at + 1)),
        program: owner?.[1] ?? "",
        pid: Number(owner?.[2] ?? 0),
      });
    }
    return new Map([[listenersSubject, listeners]]);
  },
};
