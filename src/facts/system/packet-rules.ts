import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** Who judges packets on a host, as its own programs list it. */
export interface PacketRules {
  /** Interfaces that lead outside: those of the default routes. */
  readonly interfaces: readonly string[];
  /** Addresses of the host itself, without loopback and link-local ones. */
  readonly addresses: readonly string[];
  /** `nft -j list ruleset`: now, and what /etc/nftables.conf loads at boot where its unit is enabled. */
  readonly nft: readonly Listing[];
  /** iptables-save(8) format: now, and what is loaded at boot where its unit is enabled. */
  readonly iptables: readonly Listing[];
  /** nftables.service is enabled and its configuration throws away every table, Docker's and hostkit's too. */
  readonly flushesAll: boolean;
}

export interface Listing {
  /** `nft`, `nft at boot`, `iptables`, `ip6tables`, `iptables-legacy`, `ip6tables-legacy`, each perhaps with ` at boot`. */
  readonly origin: string;
  readonly text: string;
}

/** The one subject of this source. */
export const packetRulesSubject = "host";

const none: PacketRules = {
  interfaces: [],
  addresses: [],
  nft: [],
  iptables: [],
  flushesAll: false,
};

/**
 * The rules of everybody. Only asked where something is about to change.
 * iptables-legacy-save(8) would load kernel modules: it is only asked where they are loaded. What is read at boot is loaded into a
 * network name space of its own, which goes away with its program.
 */
export const packetRulesFacts: FactSource<PacketRules> = {
  name: "packet-rules",
  script: () => sh`part() { echo "hostkit part $*"; }
part routes
{ ip -o route show default; ip -o -6 route show default; } 2>/dev/null | sed -n ${"s/.* dev \\([^ ]*\\).*/\\1/p"}
part addresses
ip -o addr show scope global 2>/dev/null | awk ${"{ print $4 }"}
if command -v nft >/dev/null; then
  part nft
  nft -j list ruleset 2>/dev/null
  if systemctl is-enabled -q nftables.service 2>/dev/null; then
    grep -Eqs ${"^[[:space:]]*(flush|delete)[[:space:]]+ruleset"} /etc/nftables.conf && part flushes
    part nft at boot
    unshare -n sh -c ${"nft -f /etc/nftables.conf && nft -j list ruleset"} 2>/dev/null
  fi
fi
for p in iptables ip6tables; do
  if command -v "$p-save" >/dev/null; then part "$p"; "$p-save" 2>/dev/null; fi
  names=/proc/net/$(echo "$p" | sed s/tables/_tables/)_names
  if grep -qs . "$names" && command -v "$p-legacy-save" >/dev/null; then
    part "$p-legacy"; "$p-legacy-save" 2>/dev/null
  fi
done
if systemctl is-enabled -q netfilter-persistent.service 2>/dev/null; then
  if [ -r /etc/iptables/rules.v4 ]; then part iptables at boot; cat /etc/iptables/rules.v4; fi
  if [ -r /etc/iptables/rules.v6 ]; then part ip6tables at boot; cat /etc/iptables/rules.v6; fi
fi
part end`,
  parse(stdout) {
    const parts = stdout.split(/^hostkit part /m).slice(1);
    if (parts.length === 0) return new Map();
    const rules = { ...none, nft: [] as Listing[], iptables: [] as Listing[] };
    for (const part of parts) {
      const end = part.indexOf("\n");
      const origin = part.slice(0, end).trim();
      const text = part.slice(end + 1);
      const words = [...new Set(text.split("\n").filter((line) => line !== ""))];
      if (origin === "routes") rules.interfaces = words;
      else if (origin === "addresses")
        rules.addresses = words.map((word) => word.replace(/\/\d+$/, ""));
      else if (origin === "flushes") rules.flushesAll = true;
      else if (text.trim() === "") continue;
      else if (origin.startsWith("nft")) rules.nft.push({ origin, text });
      else rules.iptables.push({ origin, text });
    }
    return new Map([[packetRulesSubject, rules]]);
  },
};
