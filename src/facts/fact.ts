import { type Script, sh } from "../shell/script.ts";

/**
 * One subsystem of a host that can be asked about several things at once.
 * `script` and `parse` stand side by side: what one prints, the other reads. Both are pure.
 */
export interface FactSource<T> {
  /** Unique, [a-z-]+; also the section's name in the probe. */
  readonly name: string;
  /** Prints all that `parse` needs about `subjects` (sorted, unique, never empty). A missing program must not fail it. */
  script(subjects: readonly string[]): Script;
  /** One entry for each subject that was found. */
  parse(stdout: string, subjects: readonly string[]): ReadonlyMap<string, T>;
}

/** A question: this source about this subject. */
export interface FactNeed {
  readonly source: FactSource<unknown>;
  readonly subject: string;
}

/** Builds a question. */
export function need<T>(source: FactSource<T>, subject: string): FactNeed {
  return { source, subject };
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

function groupNeeds(
  needs: readonly FactNeed[],
): Map<string, { source: FactSource<unknown>; subjects: string[] }> {
  const groups = new Map<string, { source: FactSource<unknown>; subjects: Set<string> }>();
  for (const { source, subject } of needs) {
    const group = groups.get(source.name) ?? { source, subjects: new Set<string>() };
    group.subjects.add(subject);
    groups.set(source.name, group);
  }
  const sorted = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([name, { source, subjects }]) => [
      name,
      { source, subjects: [...subjects].sort() },
    ]),
  );
}

/**
 * One script that answers every need in one round trip. Each section's output stands between marker lines.
 * @param marker random word (hex), so that no output can pass for a marker line
 */
export function buildProbe(needs: readonly FactNeed[], marker: string): Script {
  const sections = [...groupNeeds(needs)].map(
    ([name, { source, subjects }]) =>
      sh`echo ${`#${marker} ${name}`}
(
${source.script(subjects)}
) 2>/dev/null </dev/null
printf ${`\n#${marker} end\n`}`,
  );
  const text = [
    "export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...sections.map((section) => section.text),
    sh`echo ${`#${marker} done`}`.text,
    "",
  ].join("\n");
  return { text };
}

/** Reads the probe's reply; undefined when it was cut short. */
export function parseProbe(
  needs: readonly FactNeed[],
  marker: string,
  stdout: string,
): Facts | undefined {
  if (!stdout.endsWith(`#${marker} done\n`)) return undefined;
  const outputs = new Map<string, string>();
  const pattern = new RegExp(`^#${marker} ([a-z-]+)\\n([\\s\\S]*?)\\n#${marker} end\\n`, "gm");
  for (const match of stdout.matchAll(pattern)) outputs.set(match[1] as string, match[2] as string);
  const values = new Map<string, ReadonlyMap<string, unknown>>();
  for (const [name, { source, subjects }] of groupNeeds(needs)) {
    values.set(name, source.parse(outputs.get(name) ?? "", subjects));
  }
  return new Facts(values);
}
