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
        // The same hash as listingHashScript's: a listing ends in one newline.
        return sh`if listing=$(nft -s list table ${family} ${name}); then
  hash=$(printf '%s\\n' "$listing" | sha256sum)
  echo "listing \${hash%% *} "${table}
fi`.text;
      }),
      'sha256sum /etc/hostkit/*/firewall.nft | while read -r hash f; do echo "file $hash $f"; done',
      `if [ -f /etc/ufw/ufw.conf ] && grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then echo "rival ufw"; fi`,
      `if command -v firewalld >/dev/null && systemctl is-active -q firewalld.service; then echo "rival firewalld"; fi`,
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
