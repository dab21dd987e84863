import { readdirSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { HostkitError } from "../errors.ts";
import type { ConnectOptions, Destination } from "./destination.ts";
import { matchPattern } from "./host-pattern.ts";
import { type ConfigFile, evaluateSshConfig, expandPath, type SshSettings } from "./ssh-config.ts";

/** One SSH server on the way, with everything settled that manifest, ssh_config and defaults say about it. */
export interface Hop {
  /** The host's name in the manifest, or what a jump host was called; for messages. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** 0: either. */
  readonly family: 0 | 4 | 6;
  /** Private key files in the order of trying; `explicit` ones were named, the rest are OpenSSH's defaults. */
  readonly identities: readonly { readonly path: string; readonly explicit: boolean }[];
  /** Offer no other keys of the agent than those of `identities`. */
  readonly identitiesOnly: boolean;
  /** Socket of the agent. */
  readonly agent?: string;
  /** Name to look up in known_hosts instead of the address. */
  readonly hostKeyAlias?: string;
  /** The user's files (new keys go into the first), then the system's. */
  readonly userKnownHosts: readonly string[];
  readonly systemKnownHosts: readonly string[];
  readonly hashKnownHosts: boolean;
  readonly unknownKeys: "ask" | "accept" | "refuse";
  /** When there are any, they alone count. */
  readonly pinnedKeys: readonly string[];
  readonly connectTimeoutMs: number;
}

const defaultIdentities = ["id_ed25519", "id_ecdsa", "id_rsa"];
const maxHops = 8;

/** `[user@]host[:port]` or `ssh://…` of ProxyJump; an IPv6 address with a port stands in brackets. */
export function parseJump(text: string): { address: string; user?: string; port?: number } {
  const bare = text
    .trim()
    .replace(/^ssh:\/\//, "")
    .replace(/\/$/, "");
  const at = bare.lastIndexOf("@");
  const user = at > 0 ? bare.slice(0, at) : undefined;
  const rest = at >= 0 ? bare.slice(at + 1) : bare;
  const match =
    /^\[([^\]]+)\](?::(\d+))?$/.exec(rest) ??
    /^([^:]+)(?::(\d+))?$/.exec(rest) ??
    /^([^[\]]*:[^[\]]*:[^[\]]*)()$/.exec(rest);
  const port = match?.[2] ? Number(match[2]) : undefined;
  if (!match?.[1] || (port !== undefined && (port < 1 || port > 65_535))) {
    throw new HostkitError("usage", {
      what: `"${text}" is no jump host`,
      next: "write [user@]host[:port], several separated by commas",
    });
  }
  return {
    address: match[1],
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port }),
  };
}

/** The servers on the way to a destination: jump hosts in the order of travel, the destination itself last. */
export function resolveRoute(destination: Destination, options: ConnectOptions, depth = 0): Hop[] {
  if (depth > maxHops) {
    throw new HostkitError("usage", {
      what: `the jump hosts of ${destination.name} never end`,
      why: `more than ${maxHops} hops`,
      next: "look for a ProxyJump in ~/.ssh/config that also applies to its own jump host",
    });
  }
  const { hop, settings } = resolveHop(destination, options);
  const jump = destination.jump ?? settings.get("proxyjump")?.[0];
  if (jump === undefined || jump === "none" || jump === "") {
    if (destination.jump === undefined) refuseProxyCommand(destination, settings);
    return [hop];
  }
  if (typeof jump !== "string") return [...resolveRoute(jump, options, depth + 1), hop];
  const names = jump.split(",");
  const last = parseJump(names.at(-1) ?? "");
  const before = names.slice(0, -1).join(",");
  // As ssh -J does: a hop with others before it in the list is reached through those, else by its own configuration.
  const via: Destination = { name: last.address, ...last, ...(before !== "" && { jump: before }) };
  return [...resolveRoute(via, options, depth + 1), hop];
}

function refuseProxyCommand(destination: Destination, settings: SshSettings): void {
  const command = settings.get("proxycommand")?.join(" ").trim();
  if (command === undefined || command === "none") return;
  throw new HostkitError("usage", {
    what: `ssh_config sets ProxyCommand for ${destination.name}, which hostkit does not run`,
    next: "use ProxyJump there, or `jump:` in the manifest",
  });
}

function resolveHop(
  destination: Destination,
  options: ConnectOptions,
): { hop: Hop; settings: SshSettings } {
  const { environment } = options;
  const home = environment["HOME"] ?? homedir();
  const sshDirectory = options.sshDirectory ?? join(home, ".ssh");
  const systemDirectory = options.systemSshDirectory ?? "/etc/ssh";
  const localUser = environment["USER"] ?? userInfo().username;
  const alias = destination.address.replace(/^\[(.*)\]$/, "$1");
  const settings = readSettings(
    destination,
    alias,
    localUser,
    sshDirectory,
    systemDirectory,
    options,
  );
  const setting = (keyword: string): string | undefined => settings.get(keyword)?.[0];

  const port = destination.port ?? Number(setting("port") ?? 22);
  const user = destination.user ?? setting("user") ?? localUser;
  const address = (setting("hostname") ?? alias).replaceAll("%%", "%").replaceAll("%h", alias);
  const expand = (path: string): string =>
    expandPath(path, { home, alias, host: address, port, user, localUser, environment });
  const paths = (keyword: string, defaults: readonly string[]): string[] =>
    (settings.get(keyword) ?? defaults).filter((path) => path.toLowerCase() !== "none").map(expand);

  const named =
    destination.identity !== undefined
      ? [expand(destination.identity)]
      : settings.get("identityfile")?.map(expand);
  const agent = readAgent(setting("identityagent"), environment, expand);
  const strict = setting("stricthostkeychecking")?.toLowerCase();
  const hostKeyAlias = setting("hostkeyalias");
  const family = setting("addressfamily");
  const configTimeout = Number(setting("connecttimeout"));
  const hop: Hop = {
    name: destination.name,
    address,
    port,
    user,
    family: family === "inet" ? 4 : family === "inet6" ? 6 : 0,
    identities: (named ?? defaultIdentities.map((name) => join(sshDirectory, name)))
      .filter((path) => path !== "none")
      .map((path) => ({ path, explicit: named !== undefined })),
    identitiesOnly:
      destination.identity !== undefined || setting("identitiesonly")?.toLowerCase() === "yes",
    ...(agent !== undefined && { agent }),
    ...(hostKeyAlias !== undefined && { hostKeyAlias }),
    userKnownHosts: paths(
      "userknownhostsfile",
      ["known_hosts", "known_hosts2"].map((name) => join(sshDirectory, name)),
    ),
    systemKnownHosts: paths(
      "globalknownhostsfile",
      ["ssh_known_hosts", "ssh_known_hosts2"].map((name) => join(systemDirectory, name)),
    ),
    hashKnownHosts: setting("hashknownhosts")?.toLowerCase() === "yes",
    unknownKeys:
      options.acceptNewHostKey === true || strict === "accept-new"
        ? "accept"
        : strict === "yes"
          ? "refuse"
          : "ask",
    pinnedKeys: [destination.hostKey ?? []].flat().map((key) => key.trim()),
    connectTimeoutMs:
      options.connectTimeoutMs ?? (configTimeout > 0 ? configTimeout * 1000 : 10_000),
  };
  return { hop, settings };
}

function readAgent(
  setting: string | undefined,
  environment: ConnectOptions["environment"],
  expand: (path: string) => string,
): string | undefined {
  if (setting?.toLowerCase() === "none") return undefined;
  if (setting === undefined || setting === "SSH_AUTH_SOCK")
    return environment["SSH_AUTH_SOCK"] || undefined;
  if (/^\$\w+$/.test(setting)) return environment[setting.slice(1)] || undefined;
  return expand(setting);
}

function readSettings(
  destination: Destination,
  alias: string,
  localUser: string,
  sshDirectory: string,
  systemDirectory: string,
  options: ConnectOptions,
): SshSettings {
  const home = options.environment["HOME"] ?? homedir();
  const files = [join(sshDirectory, "config"), join(systemDirectory, "ssh_config")].flatMap(
    readConfigFile,
  );
  try {
    return evaluateSshConfig(
      {
        files,
        // Relative names count from ~/.ssh in the user's files and from /etc/ssh in the system's.
        readInclude: (pattern, from) => {
          const base = from.startsWith(`${systemDirectory}/`) ? systemDirectory : sshDirectory;
          const path = pattern.startsWith("~/") ? join(home, pattern.slice(2)) : pattern;
          return listMatches(isAbsolute(path) ? path : join(base, path)).flatMap(readConfigFile);
        },
        ...(options.log && { note: (line: string) => options.log?.(line) }),
      },
      { alias, localUser, ...(destination.user !== undefined && { user: destination.user }) },
    );
  } catch (error) {
    throw new HostkitError(
      "usage",
      {
        what: "an ssh_config file cannot be read",
        why: error instanceof Error ? error.message : String(error),
        next: `check it with: ssh -G ${alias}`,
      },
      { cause: error },
    );
  }
}

function readConfigFile(path: string): ConfigFile[] {
  try {
    return [{ path, text: readFileSync(path, "utf8") }];
  } catch {
    // Missing or unreadable files are skipped, as ssh(1) does.
    return [];
  }
}

/** Files whose path fits a pattern with `*` and `?` in any part, sorted. */
function listMatches(pattern: string): string[] {
  if (!/[*?]/.test(pattern)) return [pattern];
  const parts = /[*?]/.test(dirname(pattern)) ? listMatches(dirname(pattern)) : [dirname(pattern)];
  const wanted = basename(pattern);
  return parts.flatMap((directory) => {
    try {
      return readdirSync(directory)
        .filter(
          (name) => matchPattern(wanted, name) && (wanted.startsWith(".") || !name.startsWith(".")),
        )
        .sort()
        .map((name) => join(directory, name));
    } catch {
      return [];
    }
  });
}
