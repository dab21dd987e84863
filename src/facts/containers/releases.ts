import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export type SlotName = "a" | "b";

/** What a mark says: where the traffic goes. */
export interface ActiveRelease {
  readonly slot: SlotName;
  readonly release: string;
  readonly image: string;
}

/** Reads the first line of a mark; undefined where nothing was released yet. */
export function parseUpstream(text: string | undefined): ActiveRelease | undefined {
  const match = /^# hostkit: slot ([ab]), release ([0-9a-f]+), image (\S+)\n/.exec(text ?? "");
  if (match === null) return undefined;
  const [, slot, release, image] = match as unknown as [string, SlotName, string, string];
  return { slot, release, image };
}

/**
 * "begun": a run is making it. "serving": it has the traffic. "replaced": it had it, and can have it again. "failed": it never had it,
 * or a run ended before it had. "withdrawn": it had it, turned bad while it was watched, and the traffic went back.
 */
export type ReleaseState = "begun" | "serving" | "replaced" | "failed" | "withdrawn";

/** One release of one service, as its file on the host tells. */
export interface ReleaseRecord {
  /** Sortable: the older one first. */
  readonly id: string;
  readonly service: string;
  /** Hash of all that makes this version, secrets left out. */
  readonly release: string;
  /** Where it stands, or stood. */
  readonly slot: SlotName;
  /** `repository:tag` or `name@sha256:…`. */
  readonly image: string;
  /** Docker's id of it. */
  readonly imageId?: string;
  readonly because: string;
  /** Folders of the host it has mounted. */
  readonly binds: readonly string[];
  /** The run that made it, and who started that; absent for one that is older than its record. */
  readonly run?: string;
  readonly by?: string;
  /** Whether all that starts it again lies beside the record. */
  readonly kept?: boolean;
  /** It was gone back to: the id of the record that first had this release, and the hashes of the releases that it undoes. */
  readonly back?: string;
  readonly undoes?: readonly string[];
  /** It was deployed with another image than the manifest said, by these words; "": that was forgotten. */
  readonly given?: string;
  /** How long it was to be watched once it had the traffic, and whether it was, to the end. */
  readonly watch?: number;
  readonly watched?: boolean;
  /** What it turned bad with, in words. */
  readonly bad?: string;
  /** Seconds since the epoch: until when it had time for the connections that it still had when it lost the traffic. */
  readonly drains?: number;
  readonly state: ReleaseState;
  /** Seconds since the epoch: when it was begun, and since when it is in this state. */
  readonly begun: number;
  readonly since: number;
}

/** The releases of one stack. */
export interface StackReleases {
  /** Oldest first. */
  readonly records: readonly ReleaseRecord[];
  /** By service: where the traffic goes. */
  readonly active: Readonly<Record<string, ActiveRelease>>;
}

/** Subject for all stacks of a host. */
export const everyStack = "*";

/** Where the records of a stack lie: a folder a service, a file a release. */
export function releasesDirectoryOf(stackDirectory: string): string {
  return `${stackDirectory}/releases`;
}

/** What says where the traffic goes, by the end of its name; a later one counts more (`readMark` of traffic.ts). */
const markOrder = ["caddy", "a", "b"];

/** Stacks by name, or `everyStack`. The hashes of files stay on the host. */
export const releaseFacts: FactSource<StackReleases> = {
  name: "releases",
  script(subjects) {
    const places = subjects.map((stack) =>
      stack === everyStack
        ? sh`/var/lib/hostkit/*/releases /etc/hostkit/*/upstreams`
        : sh`${[`/var/lib/hostkit/${stack}/releases`, `/etc/hostkit/${stack}/upstreams`]}`,
    );
    return sh`grep -arHE --include=${"*.jsonl"} --include=${"*.[ab]"} --include=${"*.caddy"} ${'^(\\{"(service|run|imageId|state|watched|bad|drains)"|# hostkit: slot )'} ${{ text: places.map(({ text }) => text).join(" ") }}`;
  },
  parse(stdout) {
    const lines = new Map<string, string[]>();
    for (const [, path = "", line = ""] of stdout.matchAll(
      /^(\/[^:\n]+\.(?:jsonl|caddy|[ab])):(.*)$/gm,
    ))
      lines.set(path, [...(lines.get(path) ?? []), line]);
    const found = new Map<
      string,
      { records: ReleaseRecord[]; active: [number, string, ActiveRelease][] }
    >();
    const of = (stack: string) => {
      const known = found.get(stack) ?? { records: [], active: [] };
      found.set(stack, known);
      return known;
    };
    for (const [path, text] of lines) {
      const [, stack = "", id = ""] =
        /^\/var\/lib\/hostkit\/([^/]+)\/releases\/[^/]+\/([^/]+)\.jsonl$/.exec(path) ?? [];
      const record = readRecord(id, text);
      if (record !== undefined) of(stack).records.push(record);
      const [, owner = "", service = "", as = ""] =
        /^\/etc\/hostkit\/([^/]+)\/upstreams\/([^/.]+)\.(caddy|[ab])$/.exec(path) ?? [];
      const active = parseUpstream(`${text[0] ?? ""}\n`);
      if (service !== "" && active !== undefined)
        of(owner).active.push([markOrder.indexOf(as), service, active]);
    }
    return new Map(
      [...found].map(([stack, { records, active }]) => [
        stack,
        {
          records: records.toSorted((left, right) => (left.id < right.id ? -1 : 1)),
          active: Object.fromEntries(
            active
              .toSorted(([left], [right]) => left - right)
              .map(([, service, release]) => [service, release] as const),
          ),
        },
      ]),
    );
  },
};

/** Each line is an object; what a later one says counts. Lines that cannot be read (a power cut mid-write) are left out. */
function readRecord(id: string, lines: readonly string[]): ReleaseRecord | undefined {
  let record: Partial<ReleaseRecord> = { because: "", binds: [], since: 0 };
  for (const line of lines) {
    try {
      const { at, ...said } = JSON.parse(line) as Partial<ReleaseRecord> & { at?: number };
      record = { ...record, ...said };
      if (at !== undefined) record = { ...record, since: at, begun: record.begun ?? at };
    } catch {
      continue;
    }
  }
  const { service, release, slot, image, state } = record;
  if ([id, service, release, slot, image, state].some((value) => !value)) return undefined;
  return { ...(record as ReleaseRecord), id };
}

/** The record of what serves; undefined where the records do not tell what the upstream file says. */
export function findServing(
  releases: StackReleases | undefined,
  service: string,
): ReleaseRecord | undefined {
  const records = recordsOf(releases, service);
  const active = releases?.active[service];
  const serving = records.filter(({ state }) => state === "serving");
  const [only] = serving;
  return only !== undefined && serving.length === 1 && isSame(only, active) ? only : undefined;
}

/** The records of what serves, and of what somebody tried to release after it. */
export function listCurrent(releases: StackReleases | undefined): ReleaseRecord[] {
  const records = releases?.records ?? [];
  return records.filter(({ service, state, id }) => {
    const serving = findServing(releases, service);
    return serving === undefined ? state === "begun" : id >= serving.id;
  });
}

/** Nothing goes back to it, and nothing of it is needed. */
function isBad({ state }: ReleaseRecord): boolean {
  return state === "failed" || state === "withdrawn";
}

/** Whether every record of a service says what has become of it. */
export function isSettled(
  releases: StackReleases | undefined,
  service: string,
  active: ActiveRelease,
): boolean {
  const records = recordsOf(releases, service);
  const newest = records.findLast((one) => !isBad(one) && isSame(one, active));
  return (
    newest?.state === "serving" &&
    records.every((one) => one === newest || one.state === "replaced" || isBad(one))
  );
}

function recordsOf(releases: StackReleases | undefined, service: string): ReleaseRecord[] {
  return (releases?.records ?? []).filter((one) => one.service === service);
}

function isSame(record: ReleaseRecord, active: ActiveRelease | undefined): boolean {
  return (
    record.slot === active?.slot &&
    record.release === active.release &&
    record.image === active.image
  );
}

/** The id of the record that first had this release. */
export function originOf({ id, back }: ReleaseRecord): string {
  return back ?? id;
}

/** What releases of a host need, be it to serve or to be gone back to. */
export interface ReleaseNeeds {
  /** References, digests and Docker's ids. */
  readonly images: ReadonlySet<string>;
  readonly binds: readonly string[];
}

/** This is the one place that says which images are in use; `hk_needed_images` of templates/run/records.sh says the same in shell. */
export function needsOf(stacks: Iterable<StackReleases>): ReleaseNeeds {
  const images = new Set<string>();
  const binds = new Set<string>();
  const addImage = (name: string): void => {
    images.add(name).add(name.slice(name.indexOf("@") + 1));
  };
  for (const { records, active } of stacks) {
    for (const record of records) {
      if (isBad(record)) continue;
      addImage(record.image);
      if (record.imageId !== undefined) addImage(record.imageId);
      for (const bind of record.binds) binds.add(bind);
    }
    // What was released before there were records.
    for (const { image } of Object.values(active)) addImage(image);
  }
  return { images, binds: [...binds] };
}

/** Services that were released and have no record of what serves: by a version without records, or somebody took them away. */
export function findUnrecorded(releases: StackReleases | undefined): string[] {
  return Object.keys(releases?.active ?? {}).filter(
    (service) => findServing(releases, service) === undefined,
  );
}
