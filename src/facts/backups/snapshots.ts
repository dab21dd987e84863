import { joinScripts, sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** One backup of files, as restic lists it. */
export interface Snapshot {
  /** restic's whole id. */
  readonly id: string;
  /** Milliseconds since the epoch: when it was begun. */
  readonly time: number;
  /** What was named when it was made; all of it lies below these. */
  readonly paths: readonly string[];
}

export type SnapshotList =
  | { readonly isThere: true; readonly snapshots: readonly Snapshot[] }
  | { readonly isThere: false; readonly said: string };

/** The subject for `snapshotFacts`. */
export function snapshotSubject(stack: string, repository: string): string {
  return `${stack} ${repository}`;
}

/** Seconds a repository has for an answer: all of them together have to fit into one look. */
const patience = 40;

/** Repositories by `snapshotSubject`: the snapshots of the stack, the newest first, or what was said instead. */
export const snapshotFacts: FactSource<SnapshotList> = {
  name: "snapshots",
  script: (subjects) =>
    joinScripts(
      subjects.map((subject) => {
        const [stack = "", repository = ""] = subject.split(" ");
        return sh`f=${`/usr/local/lib/hostkit/${stack}/backup-files`}
if [ ! -x "$f" ]; then echo ${`${subject} none`}
elif said=$(timeout -k 5 ${patience} "$f" restic ${repository} snapshots --no-lock --json --tag ${stack} 2>&1); then
  printf '%s there %s\\n' ${subject} "$(printf '%s\\n' "$said" | grep -m 1 -E '^(\\[|null)')"
else printf '%s away %s\\n' ${subject} "$(printf '%s\\n' "$said" | grep . | tail -n 1)"; fi`;
      }),
    ),
  parse(stdout) {
    const found = new Map<string, SnapshotList>();
    for (const match of stdout.matchAll(/^(\S+ \S+) (there|away) ?(.*)$/gm)) {
      const [, subject = "", state, text = ""] = match;
      const snapshots = state === "there" ? readSnapshotList(text) : undefined;
      found.set(
        subject,
        snapshots === undefined
          ? { isThere: false, said: text || `no answer within ${patience} s` }
          : { isThere: true, snapshots },
      );
    }
    return found;
  },
};

/** `restic snapshots --json`, the newest first; undefined where it is none. */
export function readSnapshotList(text: string): Snapshot[] | undefined {
  try {
    const list = (JSON.parse(text) ?? []) as readonly (Omit<Snapshot, "time"> & { time: string })[];
    return list
      .map(({ id, time, paths }) => ({ id, time: Date.parse(time), paths }))
      .sort((a, b) => b.time - a.time);
  } catch {
    return undefined;
  }
}
