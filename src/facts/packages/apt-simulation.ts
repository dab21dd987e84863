import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** What apt would do, by the lists that it has now. */
export interface AptSimulation {
  /** `none`: a host without package lists; `broken`: dpkg must be repaired first; then nothing else is known. */
  readonly state: "known" | "none" | "broken";
  /** Whether the lists of the distribution itself are there. */
  readonly hasDistribution: boolean;
  /** Packages that it would remove. */
  readonly removes: readonly string[];
  /** Packages on hold that it would change. */
  readonly changesHeld: readonly string[];
  /** Of what is asked for: names that no source has. */
  readonly unknown: readonly string[];
  /** Its own words where it refuses, the first cause first; empty where it would begin. */
  readonly refusal: readonly string[];
  /** KiB that it would fetch, and that the packages then take. */
  readonly archives?: number;
  readonly installed?: number;
  /** How many packages would be new, dependencies among them. */
  readonly added?: number;
}

/** apt's words by what would be installed: names (`name=version`), joined with spaces. Reads only. */
export const aptSimulationFacts: FactSource<AptSimulation> = {
  name: "apt-simulation",
  script: (subjects) => sh`for words in ${subjects}; do
  echo "#of $words"
  if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then echo "#state none"; continue; fi
  if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || dpkg-query -W -f ${"${db:Status-Abbrev}\\n"} | grep -q ${"^.[HUFWt]\\|^..R"}; then echo "#state broken"; continue; fi
  ls /var/lib/apt/lists | grep -q ${"_main_binary-.*_Packages"} && echo "#distribution"
  DEBIAN_FRONTEND=noninteractive apt-get -q --assume-no -o Debug::NoLocking=true -o APT::Install-Recommends=false install --allow-downgrades $words 2>&1
done`,
  parse(stdout) {
    const found = new Map<string, AptSimulation>();
    for (const section of stdout.split(/^#of /m).slice(1)) {
      const [words = "", ...lines] = section.split("\n");
      found.set(words, readSection(lines));
    }
    return found;
  },
};

function readSection(lines: readonly string[]): AptSimulation {
  const text = lines.join("\n");
  const state = lines.includes("#state none")
    ? "none"
    : lines.includes("#state broken")
      ? "broken"
      : "known";
  const errors = lines.filter((line) => line.startsWith("E: ")).map((line) => line.slice(3).trim());
  const unknown = errors.flatMap((line) => {
    const [, located, candidate] =
      /^Unable to locate package (\S+)$|^Package '?(\S+?)'? has no installation candidate$/.exec(
        line,
      ) ?? [];
    return [located, candidate].filter((name) => name !== undefined);
  });
  const unmet =
    /^The following packages have unmet dependencies:\n((?: .*\n)+)/m
      .exec(text)?.[1]
      ?.split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "") ?? [];
  const archives = readSize(/^Need to get ([\d.,]+ \w+)(?:\/[\d.,]+ \w+)? of archives/m, text);
  const installed = readSize(
    /^After this operation, ([\d.,]+ \w+) of additional disk space/m,
    text,
  );
  const added = /^\d+ upgraded, (\d+) newly installed/m.exec(text)?.[1];
  return {
    state,
    hasDistribution: lines.includes("#distribution"),
    removes: readList("The following packages will be REMOVED:", text),
    changesHeld: readList("The following held packages will be changed:", text),
    unknown,
    refusal: [...unmet, ...errors],
    ...(archives === undefined ? {} : { archives }),
    ...(installed === undefined ? {} : { installed }),
    ...(added === undefined ? {} : { added: Number(added) }),
  };
}

/** The indented names below a heading of apt's. */
function readList(heading: string, text: string): string[] {
  const at = text.indexOf(`${heading}\n`);
  if (at < 0) return [];
  const names: string[] = [];
  for (const line of text.slice(at + heading.length + 1).split("\n")) {
    if (!line.startsWith("  ")) break;
    names.push(...line.trim().split(/\s+/));
  }
  // apt marks what is purged with an asterisk.
  return names.map((name) => name.replace(/\*$/, ""));
}

/** apt's sizes are decimal. */
function readSize(pattern: RegExp, text: string): number | undefined {
  const [, number = "", unit = ""] = /^([\d.,]+) (\w+)$/.exec(pattern.exec(text)?.[1] ?? "") ?? [];
  const factor = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[unit];
  return factor === undefined
    ? undefined
    : Math.ceil((Number(number.replace(",", "")) * factor) / 1024);
}
