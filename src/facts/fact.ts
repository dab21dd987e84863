import { type Script, sh } from "../shell/script.ts";

/**
 * One subsystem of a host that can be asked about several things at once.
 * `script` and `parse` stand side by side: what one prints, the other reads. Both are pure.
 */
export type FactSource<T> = (OwnSection | GroupSection) & {
  /** Unique, [a-z-]+; also the section's name in the probe. */
  readonly name: string;
  /** One entry for each subject that was found. */
  parse(stdout: string, subjects: readonly string[], guesses: Guesses): ReadonlyMap<string, T>;
};

/**
 * Sections of one lane are answered one after another, lanes at the same time: those that mostly wait for another program
 * have lanes of their own.
 */
type Lane = "units" | "docker" | "postgres";

interface OwnSection {
  readonly lane?: Lane;
  readonly group?: undefined;
  /**
   * Prints all that `parse` needs about `subjects` (sorted, unique, never empty). A missing program must not fail it.
   * @param guesses what subjects are expected to be; the answer for those that are need not be sent
   */
  script(subjects: readonly string[], guesses: Guesses): Script;
}

interface GroupSection {
  readonly group: FactGroup;
}

/** Sources that one section answers together, so that their program is started once. Each reads the whole of it. */
export interface FactGroup {
  /** Unique among groups and sources, [a-z-]+. */
  readonly name: string;
  readonly lane?: Lane;
  /**
   * @param subjects by source's name; sources that are not asked are not there
   * @param guesses by source's name, as for sections of a source's own
   */
  script(
    subjects: ReadonlyMap<string, readonly string[]>,
    guesses: ReadonlyMap<string, Guesses>,
  ): Script;
}

/** By subject. */
export type Guesses = ReadonlyMap<string, string>;

/** A question: this source about this subject. */
export interface FactNeed {
  readonly source: FactSource<unknown>;
  readonly subject: string;
  /** What the answer will be when nothing has changed; saves sending it. */
  readonly guess?: string;
}

/** Builds a question. */
export function need<T>(source: FactSource<T>, subject: string, guess?: string): FactNeed {
  return { source, subject, ...(guess === undefined ? {} : { guess }) };
}

/** Everything that was observed on one host in one probe. */
export class Facts {
  readonly #values: ReadonlyMap<string, ReadonlyMap<string, unknown>>;

  constructor(values: ReadonlyMap<string, ReadonlyMap<string, unknown>>) {
    this.#values = values;
  }

  /** The observed value, or undefined where the subject does not exist on the host. */
  get<T>(source: FactSource<T>, subject: string): T | undefined {
    return this.#values.get(source.name)?.get(subject) as T | undefined;
  }

  /** Whether the source was asked at all. */
  wasAsked(source: FactSource<unknown>): boolean {
    return this.#values.has(source.name);
  }

  /** All observed values of a source, by subject. */
  all<T>(source: FactSource<T>): ReadonlyMap<string, T> {
    return (this.#values.get(source.name) ?? new Map()) as ReadonlyMap<string, T>;
  }

  /** For tests and cases: facts from `[source, { subject: value }]` pairs. */
  static of(
    ...entries: readonly (readonly [FactSource<unknown>, Readonly<Record<string, unknown>>])[]
  ): Facts {
    return new Facts(
      new Map(entries.map(([source, values]) => [source.name, new Map(Object.entries(values))])),
    );
  }
}

interface Group {
  readonly source: FactSource<unknown>;
  readonly subjects: readonly string[];
  readonly guesses: Guesses;
}

function groupNeeds(needs: readonly FactNeed[]): [name: string, group: Group][] {
  const groups = new Map<
    string,
    { source: FactSource<unknown>; subjects: Set<string>; guesses: Map<string, string> }
  >();
  for (const { source, subject, guess } of needs) {
    let group = groups.get(source.name);
    if (group === undefined) {
      group = { source, subjects: new Set(), guesses: new Map() };
      groups.set(source.name, group);
    }
    group.subjects.add(subject);
    const other = group.guesses.get(subject);
    // Two guesses for one subject: either will do, as long as it is the same one each time.
    if (guess !== undefined && (other === undefined || guess < other))
      group.guesses.set(subject, guess);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { source, subjects, guesses }]) => [
      name,
      { source, subjects: [...subjects].sort(), guesses },
    ]);
}

/** The sections by name, each with its lane. */
function sectionsOf(needs: readonly FactNeed[]): Map<string, { lane: Lane | ""; script: Script }> {
  const sections = new Map<string, { lane: Lane | ""; script: Script }>();
  const groups = new Map<FactGroup, Map<string, Group>>();
  for (const [name, asked] of groupNeeds(needs)) {
    const { source, subjects, guesses } = asked;
    if (source.group === undefined) {
      sections.set(name, { lane: source.lane ?? "", script: source.script(subjects, guesses) });
      continue;
    }
    const together = groups.get(source.group) ?? new Map<string, Group>();
    groups.set(source.group, together.set(name, asked));
  }
  for (const [group, asked] of groups) {
    const script = group.script(
      new Map([...asked].map(([name, { subjects }]) => [name, subjects])),
      new Map([...asked].map(([name, { guesses }]) => [name, guesses])),
    );
    sections.set(group.name, { lane: group.lane ?? "", script });
  }
  return sections;
}

/**
 * One script that answers every need in one round trip. Each section's output stands between marker lines.
 * @param marker random word (hex), so that no output can pass for a marker line
 */
export function buildProbe(needs: readonly FactNeed[], marker: string): Script {
  const lanes = new Map<string, string[]>([["", []]]);
  for (const [name, { lane, script }] of sectionsOf(needs)) {
    const section = sh`echo ${`#${marker} ${name}`}
(
${script}
) 2>/dev/null </dev/null
printf ${`\n#${marker} end\n`}`;
    lanes.set(lane, [...(lanes.get(lane) ?? []), section.text]);
  }
  // `{ b | { a >&3; cat >&3; }; } 3>&1`: both run at once, a's output comes first and whole, then b's.
  const body = [...lanes.values()]
    .map((sections) => ["{ :", ...sections, "}"].join("\n"))
    .reduce((rest, lane) => `${lane} | {\n${rest} >&3\ncat >&3\n}`);
  const text = [
    // Not C.UTF-8: each program would map a dozen files for it, and names come out as they are either way.
    "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "exec 3>&1; echo",
    body,
    "exec 3>&-",
    sh`echo ${`#${marker} done`}`.text,
    "",
  ].join("\n");
  return { text };
}

/** Reads the probe's reply; undefined when any part of it was cut short. */
export function parseProbe(
  needs: readonly FactNeed[],
  marker: string,
  stdout: string,
): Facts | undefined {
  // Behind and before it may stand what the login shell prints.
  if (!stdout.includes(`\n#${marker} done\n`)) return undefined;
  const outputs = new Map<string, string>();
  const pattern = new RegExp(`^#${marker} ([a-z-]+)\\n([\\s\\S]*?)\\n#${marker} end\\n`, "gm");
  for (const match of stdout.matchAll(pattern)) outputs.set(match[1] as string, match[2] as string);
  const values = new Map<string, ReadonlyMap<string, unknown>>();
  for (const [name, { source, subjects, guesses }] of groupNeeds(needs)) {
    const output = outputs.get(source.group?.name ?? name);
    // A lane that was killed must not look like things that are not there.
    if (output === undefined) return undefined;
    values.set(name, source.parse(output, subjects, guesses));
  }
  return new Facts(values);
}
