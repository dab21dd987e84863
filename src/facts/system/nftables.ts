import { joinScripts, sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import { hashText } from "../files/hash.ts";

export interface NftablesFact {
  /** SHA-256 of the live table's listing without counters (`nft -s list table`); absent where the table is not loaded. */
  readonly listing?: string;
  /** What each stack on this host opens, but for the one that was guessed: path to SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

/** The shell pipeline that gives `listing`; a load step writes its result into the stamp. */
export function listingHashScript(table: string): { text: string } {
  const [family = "inet", name = table] = table.split(" ");
  return sh`nft -s list table ${family} ${name} | sha256sum | cut -c1-64`;
}

/** What a stack opens, as a file of its own in its folder. */
export function openPortsPath(stack: string): string {
  return `/etc/hostkit/${stack}/open.nft`;
}

/** Tables by family and name ("inet hostkit"). A guess is the path of the stack's own part. */
export const nftablesFacts: FactSource<NftablesFact> = {
  name: "nftables",
  // The listing is hashed by whoever reads it: sha256sum(1) takes longer to start than nft to tell.
  script: (tables, guesses) =>
    joinScripts(
      tables.map((table) => {
        const [family = "inet", name = table] = table.split(" ");
        return sh`echo "hostkit files "${table}
set --
for f in /etc/hostkit/*/open.nft; do
  [ "$f" = ${guesses.get(table) ?? ""} ] || [ ! -e "$f" ] || set -- "$@" "$f"
done
[ $# -eq 0 ] || sha256sum "$@"
echo "hostkit listing "${table}
nft -s list table ${family} ${name}`;
      }),
    ),
  parse(stdout, tables) {
    const parts = new Map(
      stdout
        .split(/^hostkit (?=files |listing )/m)
        .map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)]),
    );
    return new Map(
      tables.map((table) => {
        const listing = (parts.get(`listing ${table}`) ?? "").trimEnd();
        const files = (parts.get(`files ${table}`) ?? "").matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm);
        return [
          table,
          {
            // Not loaded, or there is no nft.
            ...(listing === "" ? {} : { listing: hashText(`${listing}\n`) }),
            files: Object.fromEntries(Array.from(files, ([, hash, path]) => [path, hash])),
          },
        ];
      }),
    );
  },
};
