import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

export interface NftablesFact {
  /** SHA-256 of the live table's listing without counters (`nft -s list table`); absent where the table is not loaded. */
  readonly listing?: string;
  /** Rule files of hostkit stacks on this host: path to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
  /** Other firewall managers that are switched on: "ufw", "firewalld". */
  readonly rivals: readonly string[];
}

/** The shell pipeline that gives `listing`; a load step writes its result into the stamp. */
export function listingHashScript(table: string): { text: string } {
  const [family = "inet", name = table] = table.split(" ");
  return sh`nft -s list table ${family} ${name} | sha256sum | cut -c1-64`;
}

/** Tables by family and name ("inet hostkit"). */
export const nftablesFacts: FactSource<NftablesFact> = {
  name: "nftables",
  script: (tables) => ({
    text: [
      ...tables.map((table) => {
        const [family = "inet", name = table] = table.split(" ");
        return sh`if nft list table ${family} ${name} >/dev/null 2>&1; then echo "listing $(${listingHashScript(table)}) "${table}; fi`
          .text;
      }),
      `for f in /etc/hostkit/*/firewall.nft; do [ -f "$f" ] && echo "file $(sha256sum <"$f" | cut -c1-64) $f"; done`,
      `if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then echo "rival ufw"; fi`,
      `if systemctl is-active -q firewalld.service; then echo "rival firewalld"; fi`,
    ].join("\n"),
  }),
  parse(stdout, tables) {
    const files: Record<string, string> = {};
    const rivals: string[] = [];
    const listings = new Map<string, string>();
    for (const line of stdout.split("\n")) {
      const match = /^(listing|file|rival) (?:([0-9a-f]{64}) )?(.+)$/.exec(line);
      if (match === null) continue;
      const [, what, hash, name] = match as unknown as [string, string, string | undefined, string];
      if (what === "rival") rivals.push(name);
      else if (what === "file" && hash !== undefined) files[name] = hash;
      else if (hash !== undefined) listings.set(name, hash);
    }
    return new Map(
      tables.map((table) => {
        const listing = listings.get(table);
        return [table, { ...(listing === undefined ? {} : { listing }), files, rivals }];
      }),
    );
  },
};
