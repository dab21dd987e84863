import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** Other managers of the host's firewall, by name; `true` where one is switched on. */
export const rivalFirewallFacts: FactSource<true> = {
  name: "rival-firewall",
  script: () => sh`if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then echo ufw; fi
if command -v firewalld >/dev/null && systemctl is-active -q firewalld.service; then echo firewalld; fi`,
  parse: (stdout, names) =>
    new Map(
      stdout.split("\n").flatMap((name) => (names.includes(name) ? [[name, true as const]] : [])),
    ),
};

/** Those that are known, and what switches them off. */
export const rivalFirewalls: Readonly<Record<string, string>> = {
  firewalld: "systemctl disable --now firewalld",
  ufw: "ufw disable",
};
