import type { FactSource } from "../fact.ts";
import { parseSystemd, socketUnit, systemdGroup } from "../units/systemd.ts";

export interface SshdFact {
  /** What sshd(8) would run with, by keyword in lower case; the values of a repeated keyword are joined with ",". */
  readonly settings: Readonly<Record<string, string>>;
  /** TCP ports it listens on, ascending. */
  readonly ports: readonly number[];
}

/** The one subject of this source. */
export const sshdSubject = "sshd";

/**
 * The effective configuration (`sshd -G` or `sshd -T`, global part) and the listening ports. Where systemd holds the sockets
 * (Ubuntu since 22.10), the ports are those of ssh.socket as well.
 */
export const sshdFacts: FactSource<SshdFact> = {
  name: "sshd",
  group: systemdGroup,
  parse(stdout) {
    const settings: Record<string, string> = {};
    const ports = new Set<number>();
    const socket = parseSystemd(stdout).units.get(socketUnit);
    if (socket?.get("ActiveState") === "active") {
      for (const match of (socket.get("Listen") ?? "").matchAll(/(\d+) \(Stream\)/g))
        ports.add(Number(match[1]));
    }
    for (const line of stdout.split("\n")) {
      const match = /^([a-z0-9]+) (.*)$/.exec(line);
      if (match === null) continue;
      const [, key, value] = match as unknown as [string, string, string];
      settings[key] = settings[key] === undefined ? value : `${settings[key]},${value}`;
      if (key === "port") ports.add(Number(value));
      if (key === "listenaddress") {
        const port = /:(\d+)$/.exec(value);
        if (port !== null) ports.add(Number(port[1]));
      }
    }
    if (settings["port"] === undefined) return new Map();
    return new Map([[sshdSubject, { settings, ports: [...ports].sort((a, b) => a - b) }]]);
  },
};
