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
  // A listing stands as `-` behind the name of its table; the hash is listingHashScript's: it ends in one newline.
  script: (tables) => ({
    text: [
      ...tables.map((table) => {
        const [family = "inet", name = table] = table.split(" ");
        return sh`if listing=$(nft -s list table ${family} ${name}); then
  echo "table "${table}
  printf '%s\\n' "$listing" | sha256sum - /etc/hostkit/*/firewall.nft
else
  sha256sum /etc/hostkit/*/firewall.nft
fi`.text;
      }),
      `if [ -f /etc/ufw/ufw.conf ] && grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then echo "rival ufw"; fi`,
      `if command -v firewalld >/dev/null && systemctl is-active -q firewalld.service; then echo "rival firewalld"; fi`,
    ].join("\n"),
  }),
  parse(stdout, tables) {
    const files: Record<string, string> = {};
    const rivals: string[] = [];
    const listings = new Map<string, string>();
    let table = "";
    for (const line of stdout.split("\n")) {
      const [, what, name] = /^(table|rival) (.+)$/.exec(line) ?? [];
      if (what === "rival" && name !== undefined) rivals.push(name);
      if (what === "table" && name !== undefined) table = name;
      const [, hash, path] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      if (hash === undefined || path === undefined) continue;
      if (path === "-") listings.set(table, hash);
      else files[path] = hash;
    }
    return new Map(
      tables.map((table) => {
        const listing = listings.get(table);
        return [table, { ...(listing === undefined ? {} : { listing }), files, rivals }];
      }),
    );
  },
};
