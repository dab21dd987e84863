import { joinScripts, sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";
import { hashText } from "./hash.ts";

export interface NftablesFact {
  /** SHA-256 of the live table's listing without counters (`nft -s list table`); absent where the table is not loaded. */
  readonly listing?: string;
  /** Rule files of hostkit stacks on this host: path to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

/** The hash of no listing: the table is not loaded, or nft is not installed. */
const nothing = hashText("");

/** The shell pipeline that gives `listing`; a load step writes its result into the stamp. */
export function listingHashScript(table: string): { text: string } {
  const [family = "inet", name = table] = table.split(" ");
  return sh`nft -s list table ${family} ${name} | sha256sum | cut -c1-64`;
}

/** Tables by family and name ("inet hostkit"). */
export const nftablesFacts: FactSource<NftablesFact> = {
  name: "nftables",
  // A listing stands as `-` behind the name of its table; the hash is listingHashScript's.
  script: (tables) =>
    joinScripts(
      tables.map((table) => {
        const [family = "inet", name = table] = table.split(" ");
        return sh`echo "table "${table}
nft -s list table ${family} ${name} | sha256sum - /etc/hostkit/*/firewall.nft`;
      }),
    ),
  parse(stdout, tables) {
    const files: Record<string, string> = {};
    const listings = new Map<string, string>();
    let table = "";
    for (const line of stdout.split("\n")) {
      table = /^table (.+)$/.exec(line)?.[1] ?? table;
      const [, hash, path] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      if (hash === undefined || path === undefined) continue;
      if (path !== "-") files[path] = hash;
      else if (hash !== nothing) listings.set(table, hash);
    }
    return new Map(
      tables.map((table) => {
        const listing = listings.get(table);
        return [table, { ...(listing === undefined ? {} : { listing }), files }];
      }),
    );
  },
};
