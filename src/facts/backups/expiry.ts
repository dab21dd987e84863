/** What pgBackRest and restic on the controller say of a repository before and after old backups are removed. */

/** One backup in a repository. */
export interface StoredBackup {
  /** pgBackRest's label, or restic's short id. */
  readonly label: string;
  readonly type: "full" | "diff" | "incr" | "snapshot";
  /** Seconds since the epoch. */
  readonly time: number;
  /** Somebody asked for it; only of restic's it is known. */
  readonly isByHand: boolean;
  /** pgBackRest found damaged pages when it was made. */
  readonly isDamaged?: true;
}

interface PgbackrestInfo {
  readonly backup?: readonly {
    readonly label: string;
    readonly type: "full" | "diff" | "incr";
    readonly timestamp: { readonly stop: number };
    readonly error?: boolean | null;
  }[];
  readonly status?: { readonly code: number; readonly message: string };
  readonly repo?: readonly {
    readonly status?: { readonly code: number; readonly message: string };
  }[];
}

/** `pgbackrest info --output=json`, the oldest first; a text where the repository could not be read. */
export function readStoredSets(text: string): StoredBackup[] | string {
  const stanzas = parse<readonly PgbackrestInfo[]>(text);
  if (stanzas === undefined) return "pgBackRest's answer cannot be read";
  const trouble = stanzas
    .flatMap((stanza) => stanza.repo ?? [])
    .find(({ status }) => status?.code === 99);
  if (trouble !== undefined) return trouble.status?.message ?? "it cannot be read";
  return stanzas
    .flatMap((stanza) => stanza.backup ?? [])
    .map(({ label, type, timestamp, error }) => ({
      ...{ label, type, time: timestamp.stop, isByHand: false },
      ...(error === true ? { isDamaged: true as const } : {}),
    }))
    .sort((a, b) => a.time - b.time);
}

const labelPattern = /\b\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?\b/g;

/** Backups that lie in a repository by `pgbackrest repo-ls`, listed or not. */
export function readLyingSets(text: string): string[] {
  return Object.keys(parse<Record<string, unknown>>(text) ?? {})
    .filter((name) => name.replaceAll(labelPattern, "") === "")
    .sort();
}

/** What `pgbackrest expire --dry-run` would remove. */
export function readExpiredSets(text: string): string[] {
  const labels = text
    .split("\n")
    .filter((line) => /\b(?:expire (?:full|diff|incr|adhoc)|remove expired) backup/.test(line))
    .flatMap((line) => line.match(labelPattern) ?? []);
  return [...new Set(labels)].sort();
}

interface ResticSnapshot {
  readonly id: string;
  readonly short_id: string;
  readonly time: string;
  readonly tags?: readonly string[] | null;
}

/** `restic snapshots --json`, the oldest first, with restic's whole ids. */
export function readStoredSnapshots(
  text: string,
): (StoredBackup & { readonly id: string })[] | undefined {
  const list = parse<readonly ResticSnapshot[] | null>(text);
  return list === undefined
    ? undefined
    : (list ?? [])
        .map(({ id, short_id, time, tags }) => ({
          ...{ id, label: short_id, type: "snapshot" as const },
          time: Math.floor(Date.parse(time) / 1000),
          isByHand: tags?.includes("by-hand") === true,
        }))
        .sort((a, b) => a.time - b.time);
}

/** What `restic forget --dry-run --json` would remove: short ids. */
export function readForgotten(text: string): string[] | undefined {
  const groups = parse<readonly { readonly remove?: readonly ResticSnapshot[] | null }[] | null>(
    text.split("\n").find((line) => /^\s*(?:\[|null)/.test(line)) ?? "null",
  );
  return groups === undefined
    ? undefined
    : (groups ?? []).flatMap(({ remove }) => (remove ?? []).map(({ short_id }) => short_id));
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
