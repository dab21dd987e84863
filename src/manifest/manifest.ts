import type { BaseImage, Source } from "./source.ts";
import type { Registry } from "./registry.ts";

/**
 * The normalized manifest: what every other room works with.
 *
 * Defaults are filled in, durations are seconds, sizes are bytes, ports are numbers, shorthands are
 * expanded. Named things are arrays sorted by name (hosts keep the order they were written in), and
 * maps have sorted keys, so that reordering the YAML never changes a rendered file. Paths of local
 * files stay as written; `listReferencedFiles` names them all.
 */
export interface Manifest {
  readonly stack: string;
  /** Words of the command that makes, on this machine, what no service's own makes. */
  readonly buildCommand?: readonly string[];
  /** In the order written. */
  readonly hosts: readonly Host[];
  readonly database?: Database;
  readonly services: readonly Service[];
  readonly web: readonly WebService[];
  /** Those that want a login or have an authority of their own; absent: none. */
  /** Base images that Dockerfiles of the manifest begin with. */
  readonly images?: readonly BaseImage[];
  readonly registries?: readonly Registry[];
  readonly proxy?: Proxy;
  readonly backups?: Backups;
  /** Absent only for `firewall: none`; without the section the default rule set is here. */
  readonly firewall?: Firewall;
  readonly host: HostSettings;
  /** One entry for every secret name the manifest uses or declares. */
  readonly secrets: readonly Secret[];
}

export interface Host {
  readonly name: string;
  /** What one would type after `ssh`: a name, an IPv4 or IPv6 address (no brackets), or a ~/.ssh/config alias. */
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
  /** Private key file on the controller; may begin with `~/`. */
  readonly identity?: string;
  /** Pinned keys: `ssh-ed25519 AAAA…` or `SHA256:…`; empty = known_hosts decides. */
  readonly hostKeys: readonly string[];
  /** Hops in order: names of other manifest hosts, aliases, or `[user@]host[:port]`. */
  readonly jump: readonly string[];
  /** auto = when the user is not root. */
  readonly sudo: "auto" | "always" | "never";
}

export interface Database {
  readonly engine: "postgresql";
  readonly version: "distro" | number;
  readonly databases: readonly DatabaseDefinition[];
  /** Declared roles plus the owners that were only named; never `postgres`. */
  readonly roles: readonly Role[];
  readonly settings: Readonly<Record<string, string>>;
}

export interface DatabaseDefinition {
  readonly name: string;
  readonly owner: string;
  /** Local directory of numbered .sql files. */
  readonly migrations?: string;
  readonly extensions: readonly string[];
  readonly encoding: string;
  readonly locale: string;
}

export interface Role {
  readonly name: string;
  /** As written, else true exactly when a service logs in as this role. */
  readonly login: boolean;
  readonly connectionLimit?: number;
  readonly grants: readonly Grant[];
}

export interface Grant {
  readonly database: string;
  readonly schema: string;
  readonly on: GrantObjects;
  /** Lower case, sorted; `["all"]` stands alone. */
  readonly privileges: readonly string[];
}

export type GrantObjects =
  | { readonly kind: "tables"; readonly names: readonly string[] }
  /** Also those made later by the database's owner (ALTER DEFAULT PRIVILEGES). */
  | { readonly kind: "all tables" | "all sequences" | "all functions" }
  | { readonly kind: "schema" | "database" };

/** What both sections of programs have in common; `section` tells them apart. */
export interface ServiceBase {
  readonly section: "services" | "web";
  readonly name: string;
  readonly source: Source;
  readonly runtime: "native" | "container";
  /** The command line says instead of the manifest what this is made from, by these words. */
  readonly given?: string;
  /** Words of `exec` (native) or `command` (container); absent = what the package or image itself starts. */
  readonly command?: readonly string[];
  /** Words of the command that makes the source on this machine. */
  readonly buildCommand?: readonly string[];
  /** System user; absent = `<stack>-<name>`. */
  readonly user?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Local dotenv file; its content is treated as secret. */
  readonly envFile?: string;
  readonly secrets: readonly string[];
  readonly database?: DatabaseAccess;
  readonly volumes: readonly Volume[];
  /** Published outside; already part of `firewall.allow`. */
  readonly ports: readonly PublishedPort[];
  /** Names of services and web services that start before this one. */
  readonly after: readonly string[];
  readonly resources: Resources;
  /** Stopped before its successor starts. */
  readonly stateful: boolean;
  /** Containers: run once in a new release's image, before it has traffic and after. */
  readonly preDeploy?: Hook;
  readonly postDeploy?: Hook;
  /** Containers: how long a new release is watched once it serves; 0: not at all. */
  readonly watchSeconds?: number;
}

/** A command that runs once for a release. */
export interface Hook {
  readonly command: readonly string[];
  readonly timeoutSeconds: number;
}

export type AnyService = Service | WebService;

export interface Service extends ServiceBase {
  readonly section: "services";
  /** WatchdogSec; only for programs that speak sd_notify. */
  readonly watchdogSeconds?: number;
  /** Always a command: nobody is sent to it. Absent = it only has to live. */
  readonly health?: HealthCheck;
}

export interface WebService extends ServiceBase {
  readonly section: "web";
  /** Where the program listens, inside its container or on the host. */
  readonly port: number;
  readonly health: HealthCheck;
  readonly replicas: number;
  /** Containers: how long the old release may still end what it has, once a new one has the traffic; 0: not at all. */
  readonly drainSeconds?: number;
}

export interface HealthCheck {
  /** Asked over HTTP; without it and without a command: the port accepts a connection. */
  readonly path?: string;
  /** Words of a command that ends with 0 when all is well; run as the service itself is, in its container or sandbox. */
  readonly command?: readonly string[];
  /** Name that is asked for; absent where there is no path, or no site to take it from. */
  readonly host?: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** How long a new release may take to become healthy. */
  readonly graceSeconds: number;
  /** After so many failed checks in a row it is started again. */
  readonly retries: number;
}

export interface DatabaseAccess {
  readonly name: string;
  readonly role: string;
  /** TCP at the bridge gateway with a password made on the host, for clients that cannot use a socket. */
  readonly tcp: boolean;
}

export type Volume =
  | {
      readonly kind: "named";
      readonly name: string;
      readonly path: string;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: "bind";
      readonly source: string;
      readonly path: string;
      readonly readOnly: boolean;
    };

export interface PublishedPort {
  /** On the host, seen from outside. */
  readonly outside: number;
  /** Where the program listens. */
  readonly inside: number;
  readonly protocol: Protocol;
}

export type Protocol = "tcp" | "udp";

export interface Resources {
  readonly memoryBytes: number;
  /** May be a fraction; absent = no quota. More than the host has means all of them. */
  readonly cpus?: number;
  readonly pids: number;
}

export interface Proxy {
  readonly email?: string;
  /** Absent = the proxy's own default (Let's Encrypt). */
  readonly acmeDirectory?: string;
  /** Local PEM file that the ACME directory's own certificate is checked with. */
  readonly acmeCaRoot?: string;
  readonly sites: readonly Site[];
}

export interface Site {
  /** Lower case host name, `*.name`, or an IP address. */
  readonly name: string;
  readonly tls: Tls;
  /** Most specific path first; empty when `redirect` is set. */
  readonly routes: readonly Route[];
  /** URL without a trailing slash that every request is sent to, path and query kept. */
  readonly redirect?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBodyBytes: number;
}

export type Tls =
  | { readonly kind: "acme" }
  | { readonly kind: "internal" }
  /** Local PEM files. */
  | { readonly kind: "files"; readonly certificate: string; readonly key: string };

export interface Route {
  /** `/exact` or `/prefix/*`; `/*` is everything. */
  readonly path: string;
  /** Name of a web service. */
  readonly to: string;
}

export interface Backups {
  readonly repositories: readonly Repository[];
  readonly postgres?: PostgresBackup;
  readonly files?: FileBackup;
  /** When backups are proved by restoring them; absent: never. */
  readonly drill?: Schedule;
  /** age1…: who can read exported keys. */
  readonly recipients: readonly string[];
  /** What a drill asks of the restored databases; each query must answer true. */
  readonly verify: readonly { readonly query: string; readonly database: string }[];
}

export type Repository = {
  readonly name: string;
  /** Name of the secret that encrypts the repository; absent = a key made on the host. */
  readonly passphrase?: string;
} & (
  | { readonly kind: "local"; readonly path: string }
  | {
      readonly kind: "sftp";
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly path: string;
      /** Local private key file. */
      readonly identity: string;
      /** `ssh-ed25519 AAAA…` or `SHA256:…`; required, nobody is there to ask. */
      readonly hostKey: string;
      /** The host removes nothing in it. `keeper`: who does, from the controller. */
      readonly appendOnly?: {
        readonly keeper?: { readonly user: string; readonly identity: string };
      };
    }
  | {
      readonly kind: "s3";
      readonly bucket: string;
      readonly endpoint: string;
      readonly region: string;
      /** Folder in the bucket, without slashes at its ends; empty = the whole bucket. */
      readonly prefix: string;
      /** Names of secrets. */
      readonly accessKey: string;
      readonly secretKey: string;
      /** The host removes nothing in it. `keeper`: names of secrets that only the controller has. */
      readonly appendOnly?: {
        readonly keeper?: { readonly accessKey: string; readonly secretKey: string };
      };
    }
);

/** A systemd OnCalendar expression: `hourly`, `daily`, `weekly`, `monthly` or e.g. `Mon *-*-* 03:00`. */
type Schedule = string;

export interface PostgresBackup {
  readonly full: Schedule;
  readonly differential?: Schedule;
  readonly incremental?: Schedule;
  readonly wal: "continuous" | "none";
  readonly keep: { readonly full: number; readonly differential?: number };
  /** Names, at least one. */
  readonly repositories: readonly string[];
}

export interface FileBackup {
  /** Absolute paths on the host. */
  readonly paths: readonly string[];
  /** Names of Docker volumes declared by services. */
  readonly volumes: readonly string[];
  /** Of these, those that are copied at a moment of rest, by name. */
  readonly quiesce: readonly VolumeQuiesce[];
  readonly exclude: readonly string[];
  readonly schedule: Schedule;
  readonly keep: {
    readonly hourly?: number;
    readonly daily?: number;
    readonly weekly?: number;
    readonly monthly?: number;
    readonly yearly?: number;
  };
  /** Names, at least one. */
  readonly repositories: readonly string[];
}

/** How a volume that a program writes to is made consistent for a backup. */
export type VolumeQuiesce = { readonly volume: string } & (
  | { readonly how: "stop" | "sqlite" }
  | {
      readonly how: "redis";
      /** Whose container is asked; absent = the only service that mounts it. */
      readonly service?: string;
      /** A secret or a variable that this service has: what its server is logged in to with. */
      readonly password?: string;
    }
  | {
      readonly how: "command";
      readonly service?: string;
      readonly command: readonly string[];
      /** Present: nothing is written between both, so that a copy is made there. */
      readonly after?: readonly string[];
    }
);

export interface Firewall {
  /** Everything that is open from outside, published ports of services included. */
  readonly allow: readonly FirewallRule[];
}

export interface FirewallRule {
  /** `ssh`, `http`, `https`, or e.g. `7300/tcp`; for comments and messages. */
  readonly name: string;
  /** `"ssh"` = wherever sshd listens on that host. */
  readonly port: number | "ssh";
  /** Last port of a range; equal to `port` otherwise. */
  readonly lastPort: number | "ssh";
  readonly protocol: Protocol;
  /** CIDR blocks or addresses, IPv4 and IPv6; empty = from anywhere. */
  readonly from: readonly string[];
}

export interface HostSettings {
  /** Which of the settings with defaults the manifest names: others give way to what another stack of that host says. */
  readonly said: readonly ("updates" | "time_sync" | "journal" | "ssh")[];
  /** Unattended upgrades. */
  readonly updates: "security" | "all" | "none";
  /** Absent = left alone; so with the other optional fields. */
  readonly timezone?: string;
  readonly hostname?: string;
  /** 0 = no swap file. */
  readonly swapBytes?: number;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly timeSync: boolean;
  readonly journal: { readonly maxBytes: number };
  readonly ssh: { readonly harden: boolean };
}

export interface Secret {
  readonly name: string;
  /**
   * default: the controller's environment variable of that name, else that name in the dotenv file
   * `.hostkit/secrets` beside the manifest. env: only that variable. file: a local file's content.
   */
  readonly from:
    | { readonly kind: "default" }
    | { readonly kind: "env"; readonly variable: string }
    | { readonly kind: "file"; readonly path: string };
  /** It removes old backups from this machine, and is read for that alone: no host gets it. */
  readonly isKeepers?: boolean;
}
