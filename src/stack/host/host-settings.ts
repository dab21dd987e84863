import { distributionOf } from "../../distributions.ts";
import type { System } from "../../facts/system/system.ts";

/**
 * What hostkit sets on every host, as data. docs/security.md says why each of them, and what was left out on purpose.
 */

/** Kernel settings; the manifest's own `host.sysctl` comes on top. `*` is every interface there is now. */
export const kernelSettings: Readonly<Record<string, string>> = {
  "dev.tty.ldisc_autoload": "0",
  "fs.protected_fifos": "2",
  "fs.protected_hardlinks": "1",
  "fs.protected_regular": "2",
  "fs.protected_symlinks": "1",
  "fs.suid_dumpable": "0",
  "kernel.core_uses_pid": "1",
  "kernel.dmesg_restrict": "1",
  "kernel.kptr_restrict": "2",
  "kernel.perf_event_paranoid": "3",
  "kernel.randomize_va_space": "2",
  "kernel.sysrq": "0",
  "kernel.unprivileged_bpf_disabled": "1",
  "kernel.yama.ptrace_scope": "1",
  "net.core.bpf_jit_harden": "2",
  ...everyInterface("net.ipv4", "accept_redirects", "0"),
  ...everyInterface("net.ipv4", "accept_source_route", "0"),
  ...everyInterface("net.ipv4", "log_martians", "1"),
  ...everyInterface("net.ipv4", "rp_filter", "1"),
  ...everyInterface("net.ipv4", "secure_redirects", "0"),
  ...everyInterface("net.ipv4", "send_redirects", "0"),
  ...everyInterface("net.ipv6", "accept_redirects", "0"),
  ...everyInterface("net.ipv6", "accept_source_route", "0"),
  "net.ipv4.icmp_echo_ignore_broadcasts": "1",
  "net.ipv4.icmp_ignore_bogus_error_responses": "1",
  // Caddy listens anew at each reload, beside itself (SO_REUSEPORT): connections that wait at the old socket go on at the new one.
  "net.ipv4.tcp_migrate_req": "1",
  "net.ipv4.tcp_syncookies": "1",
};

function everyInterface(family: string, name: string, value: string): Record<string, string> {
  return Object.fromEntries(
    ["all", "default", "*"].map((which) => [`${family}.conf.${which}.${name}`, value]),
  );
}

/** Kernel modules nobody needs on a server: protocols with a history of local holes, and buses for plugging things in. */
export const unusedModules: readonly string[] = [
  "dccp",
  "sctp",
  "rds",
  "tipc",
  "firewire-core",
  "firewire-ohci",
  "usb-storage",
];

/** Small tools that look after the host: password quality, changed files of packages and of the configuration. */
export const auditPackages: readonly string[] = ["aide", "debsums", "libpam-passwdqc"];

/** login.defs(5): passwords that are set from now on cost an attacker more. sudo still asks for them, ssh never does. */
export const passwordHashing = `SHA_CRYPT_MIN_ROUNDS 65536
SHA_CRYPT_MAX_ROUNDS 65536
YESCRYPT_COST_FACTOR 7
`;

/** Algorithms in the order of preference; OpenSSH refuses a list that names one it does not know. */
export interface SshAlgorithms {
  readonly kex: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
  readonly hostKeys: readonly string[];
}

/**
 * Lists that ssh-audit 3.3.0 finds nothing wrong with. curve25519 stays for clients without post-quantum key exchange;
 * RSA host keys stay for clients that only know that one.
 */
export function sshAlgorithmsOf(system: System): SshAlgorithms {
  return {
    kex: [
      ...distributionOf(system).newKeyExchanges,
      "sntrup761x25519-sha512@openssh.com",
      "curve25519-sha256",
      "curve25519-sha256@libssh.org",
      "diffie-hellman-group16-sha512",
      "diffie-hellman-group18-sha512",
    ],
    ciphers: [
      "chacha20-poly1305@openssh.com",
      "aes256-gcm@openssh.com",
      "aes128-gcm@openssh.com",
      "aes256-ctr",
      "aes192-ctr",
      "aes128-ctr",
    ],
    macs: [
      "hmac-sha2-256-etm@openssh.com",
      "hmac-sha2-512-etm@openssh.com",
      "umac-128-etm@openssh.com",
    ],
    hostKeys: [
      "ssh-ed25519-cert-v01@openssh.com",
      "ssh-ed25519",
      "rsa-sha2-512-cert-v01@openssh.com",
      "rsa-sha2-512",
      "rsa-sha2-256-cert-v01@openssh.com",
      "rsa-sha2-256",
    ],
  };
}

/** Where unattended upgrades may come from. */
export function updateOriginsOf(system: System, updates: "security" | "all"): readonly string[] {
  const { security, others } = distributionOf(system).updateOrigins;
  return updates === "security" ? security : [...security, ...others];
}
