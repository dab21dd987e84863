import { z } from "zod";
import type { Host } from "../manifest.ts";
import {
  choice,
  flag,
  handle,
  listOf,
  localPath,
  mapping,
  named,
  orEmpty,
  port,
  text,
} from "../values.ts";

const address = () =>
  text(
    "a host name, an IPv4 or IPv6 address without brackets, or an alias of ~/.ssh/config",
    /^(?!-)[A-Za-z0-9_.:%-]{1,255}$/,
  );

const hostKey = () =>
  text(
    'a public key ("ssh-ed25519 AAAA…") or its fingerprint ("SHA256:…")',
    /^(?:(?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+(?: .*)?|SHA256:[A-Za-z0-9+/]{43}=?)$/,
  );

/** What stands behind `ssh`, or for it. */
export const hop = (expected: string) =>
  text(expected, /^(?:[A-Za-z0-9_.-]+@)?(?!-)(?:\[[A-Fa-f0-9:.]+\]|[A-Za-z0-9_.-]+)(?::\d{1,5})?$/);

const oneHop = 'the name of another host, an alias, or "user@host:port"';

const hostSchema = mapping({
  address: address()
    .optional()
    .meta({
      description:
        "What you would type after `ssh`: a name, an IPv4 or IPv6 address (no brackets), or an alias of ~/.ssh/config. Default: the name of the entry.",
      examples: ["dx1.example.org", "2001:db8::10"],
    }),
  user: text("a user name", /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$/)
    .optional()
    .meta({
      description:
        "Login user: root or a user with sudo. Default: what ~/.ssh/config says, else the local user.",
      examples: ["deploy"],
    }),
  port: port()
    .optional()
    .meta({ description: "SSH port, 1 to 65535. Default: what ~/.ssh/config says, else 22." }),
  identity: localPath("the path of a private key file")
    .optional()
    .meta({
      description:
        "Private key file on this machine; may begin with ~/. Default: the agent's keys and what ~/.ssh/config says.",
      examples: ["~/.ssh/id_ed25519"],
    }),
  host_key: z
    .union([hostKey(), listOf(hostKey(), "host keys")])
    .optional()
    .meta({
      description:
        "Pinned host key or keys: a public key or its SHA256 fingerprint. Only these are accepted then. Default: known_hosts decides.",
      examples: ["SHA256:jbTmFd1v0uDo4mbyXKSg4lyvFv2iXPpdOVnLuCMYYZ8"],
    }),
  jump: z
    .union([hop(oneHop), listOf(hop(oneHop), "hops")])
    .optional()
    .meta({
      description:
        "Host or hosts to go through, in order: another entry of `hosts`, an alias, or user@host:port. Default: ProxyJump of ~/.ssh/config.",
      examples: ["bastion"],
    }),
  sudo: z
    .union([flag(), choice(["auto"])])
    .optional()
    .meta({
      description:
        "true: become root with sudo. false: never use sudo. auto: use it when the user is not root; a password is asked for when sudo wants one. Default: auto.",
    }),
}).meta({ examples: [{ address: "dx1.example.org", user: "deploy" }] });

const hostEntry = orEmpty(z.union([hostSchema, address()]));

export const hostsSchema = named(handle(), hostEntry, "host names to {address, user, …}").meta({
  description:
    "The hosts this stack is provisioned to, each reached over SSH. An entry is a mapping, only an address, or empty (the name itself is the address or alias).",
  examples: [{ dx1: { address: "dx1.example.org", user: "deploy" }, dx2: "192.0.2.7" }],
});

export type WrittenHosts = z.output<typeof hostsSchema>;

export function normalizeHosts(written: WrittenHosts): Host[] {
  return Object.entries(written).map(([name, entry]) => normalizeHost(name, entry));
}

function normalizeHost(name: string, entry: WrittenHosts[string]): Host {
  const host: z.output<typeof hostSchema> =
    typeof entry === "string" ? { address: entry } : (entry ?? {});
  return {
    name,
    address: host.address ?? name,
    ...(host.user === undefined ? {} : { user: host.user }),
    ...(host.port === undefined ? {} : { port: host.port }),
    ...(host.identity === undefined ? {} : { identity: host.identity }),
    hostKeys: [host.host_key ?? []].flat(),
    jump: [host.jump ?? []].flat(),
    sudo: host.sudo === true ? "always" : host.sudo === false ? "never" : "auto",
  };
}
