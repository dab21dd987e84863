import type { LabOs } from "./systems.ts";

/** A disposable Debian host on this machine, reached over real SSH. */
export interface LabHost {
  readonly name: string;
  readonly os: LabOs;
  readonly address: string;
  readonly address6: string;
  /** root; the sudo users `deploy` (password `deploy`) and `ops` (no password) have the same key. */
  readonly user: "root";
  readonly port: 22;
  readonly keyPath: string;
  /** The host's public ed25519 key as in known_hosts: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  readonly knownHostsPath: string;
  readonly folder: string;
  readonly base: string;
  readonly index: number;
}
