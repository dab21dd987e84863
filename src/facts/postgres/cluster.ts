import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { asPostgres, locateData, postgresConfigDirectory, programDirectory } from "./psql.ts";

/** Where a cluster is and how it is reached: what a plan must know before it can name ports and paths. */
export interface ClusterPlace {
  readonly port: number;
  readonly data: string;
  /** Folders that the server writes to outside of Debian's own, where they really are: data, WAL, tablespaces, a log. Sorted. */
  readonly outside: readonly string[];
  /** `listen_addresses` as it is in effect. */
  readonly listen: string;
  /** Made by a run of hostkit, whatever stack's; another was there before. */
  readonly isMade: boolean;
}

export interface ClusterFact extends ClusterPlace {
  /** "refuses": it runs, but nobody can log in as postgres; "missing": there is none, and `port` is free for it. */
  readonly state: "running" | "down" | "refuses" | "missing";
  readonly sockets: readonly string[];
  /** It follows another server. */
  readonly isStandby: boolean;
  /** What archives its WAL; "" where nothing does. */
  readonly archiveCommand: string;
  /** The system user its files belong to. */
  readonly owner: string;
  /** auto, manual or disabled (pg_createcluster(1), start.conf). */
  readonly start: string;
  /** What psql or the server says of a cluster that cannot be asked. */
  readonly words: readonly string[];
  /** Other clusters of the host: "15/main". */
  readonly others: readonly string[];
}

/** Folders that are there for every cluster of Debian's. */
const usual =
  /^\/(?:etc\/postgresql|var\/(?:lib|log)\/postgresql|(?:var\/)?run\/postgresql)(?:\/|$)/;

/** An SQL object of what `ClusterFact` takes from a running server. */
export const placeSql = `jsonb_build_object('port', current_setting('port')::int, 'data', current_setting('data_directory'),
  'sockets', current_setting('unix_socket_directories'), 'listen', current_setting('listen_addresses'), 'isStandby', pg_is_in_recovery(),
  'archive', case current_setting('archive_mode') when 'off' then '' else current_setting('archive_command') end,
  'outside', to_jsonb(array[case current_setting('logging_collector') when 'on' then current_setting('log_directory') end,
      current_setting('stats_temp_directory', true)]))`;

/** Settings of a server that is down, asked of its program: \`postgres -C\` reads the files as a start would. */
const asked = ["port", "data_directory", "unix_socket_directories", "listen_addresses"] as const;

/**
 * Prints `MAJOR made`, `MAJOR real …` for each folder of its data, and for a cluster that does not answer `MAJOR down …` or, where there is none, `MAJOR missing …`.
 * @param silent shell condition: the server did not answer, and `$words` is what psql said
 */
export function describeCluster(major: string, silent: Script): Script {
  const config = postgresConfigDirectory(Number(major));
  const ledgers = rawScript("/var/lib/hostkit/*");
  const get = sh`${asPostgres} ${`${programDirectory(Number(major))}/postgres`} -D ${config} -C`;
  return joinScripts([
    sh`made=
for f in ${ledgers}/made-${`postgresql-${major}`}; do [ ! -e "$f" ] || made=yes; done
[ -n "$made" ] || grep -sqx ${`postgresql-${major}`} ${ledgers}/packages && echo ${`${major} made`}`,
    // Only the shell's own words: links are resolved here, because systemd does not resolve those in a folder that is writable anyway.
    sh`data=$(${locateData(Number(major))})
for d in "$data" "$data/pg_wal" "$data"/pg_tblspc/*; do
  [ -d "$d" ] && cd -P -- "$d" && echo ${`${major} real `}"$(pwd -P)"
done`,
    sh`if ${silent}; then
  if [ -e ${`${config}/postgresql.conf`} ]; then
    echo ${`${major} down`}
    ${joinScripts(
      asked.map((name) => sh`printf '%s\\n' ${`${major} ${name} `}"$(${get} ${name} 2>/dev/null)"`),
    )}
    sed -n ${`s/^[a-z]/${major} start &/p`} ${`${config}/start.conf`}
    echo ${`${major} owner `}"$(stat -c %U ${`${config}/postgresql.conf`})"
    ${get} port 2>&1 >/dev/null | sed ${`s/^/${major} words /`}
    if systemctl is-active -q ${`postgresql@${major}-main.service`}; then
      printf '%s\\n' "$words" | sed ${`s/^/${major} refused /`}
    fi
  else
    echo ${`${major} missing`}
    [ ! -x /usr/bin/pg_lsclusters ] || pg_lsclusters -h | while read -r version name port _; do echo ${`${major} other `}"$version/$name $port"; done
    awk ${`$4 == "0A" { print "${major} listens " $2 }`} /proc/net/tcp /proc/net/tcp6
  fi
fi`,
  ]);
}

/** What `describeCluster` printed and the line of JSON that a running server gives. */
export function parseClusters(stdout: string, majors: readonly string[]): Map<string, ClusterFact> {
  return new Map(
    majors.flatMap((major) => {
      const fact = parseCluster(major, stdout.split("\n"));
      return fact === undefined ? [] : [[major, fact] as const];
    }),
  );
}

/** The port that Debian would give to a new cluster. */
function findFreePort(taken: readonly number[]): number {
  const ports = Array.from({ length: 1000 }, (_, index) => 5432 + index);
  return ports.find((port) => !taken.includes(port)) ?? 5432;
}

function parseCluster(major: string, lines: readonly string[]): ClusterFact | undefined {
  const own = lines.flatMap((line) =>
    line.startsWith(`${major} `) ? [line.slice(major.length + 1)] : [],
  );
  const all = (key: string): string[] =>
    own.flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  const isMade = own.includes("made");
  const base = {
    ...{ isMade, isStandby: false, archiveCommand: "", owner: "postgres", start: "auto" },
    ...{ sockets: splitList("/var/run/postgresql"), words: [], others: [] },
    outside: listOutside(all("real")),
  };
  const live = own.flatMap((line) => (line.startsWith("{") ? (readLive(line) ?? []) : []));
  if (live[0] !== undefined) {
    const outside = listOutside([...base.outside, ...live[0].outside]);
    return { ...base, ...live[0], outside, state: "running" };
  }
  const places = { data: `/var/lib/postgresql/${major}/main`, listen: "localhost" };
  if (own.includes("missing")) {
    const others = all("other").map((line) => line.split(" "));
    return {
      ...base,
      ...places,
      state: "missing",
      isMade: true,
      port: findFreePort([...others.map(([, port]) => Number(port)), ...listening(all("listens"))]),
      others: others.map(([name]) => name ?? ""),
    };
  }
  if (!own.includes("down")) return undefined;
  return { ...base, ...readDown(all, places) };
}

/** What its files say of a cluster that does not run or does not answer. */
function readDown(
  all: (key: string) => string[],
  places: Pick<ClusterFact, "data" | "listen">,
): Omit<ClusterFact, "isMade" | "isStandby" | "archiveCommand" | "others" | "outside"> {
  const last = (key: string): string | undefined => all(key).at(-1) || undefined;
  const refused = all("refused");
  return {
    state: refused.length > 0 ? "refuses" : "down",
    port: Number(last("port") ?? 5432),
    data: last("data_directory") ?? places.data,
    listen: last("listen_addresses") ?? places.listen,
    sockets: splitList(last("unix_socket_directories") ?? "/var/run/postgresql"),
    start: last("start") ?? "auto",
    owner: last("owner") ?? "postgres",
    words: [...all("words"), ...refused].filter((line) => line.trim() !== ""),
  };
}

/** The part of the facts that decides what is wanted; keys sorted, so that equal ones are equal as text. */
export function placesOf(
  facts: ReadonlyMap<string, ClusterFact>,
): Readonly<Record<string, ClusterPlace>> {
  return Object.fromEntries(
    [...facts]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([major, { port, data, outside, listen, isMade }]) => [
        major,
        { port, data, outside, listen, isMade },
      ]),
  );
}

interface LivePlace {
  readonly port: number;
  readonly data: string;
  readonly sockets: string;
  readonly listen: string;
  readonly isStandby: boolean;
  readonly archive: string;
  readonly outside: readonly (string | null)[];
}

function readLive(line: string) {
  let place: LivePlace;
  try {
    ({ place } = JSON.parse(line) as { place: LivePlace });
  } catch {
    // Cut short: the server went away while it answered.
    return undefined;
  }
  return {
    port: place.port,
    data: place.data,
    outside: place.outside.filter((path) => path !== null),
    listen: place.listen,
    sockets: splitList(place.sockets),
    isStandby: place.isStandby,
    archiveCommand: place.archive,
  };
}

/** Those beside Debian's own, without those that lie in another one. */
function listOutside(paths: readonly string[]): string[] {
  const far = [...new Set(paths)].filter((path) => path.startsWith("/") && !usual.test(path));
  return far.filter((path) => !far.some((other) => path.startsWith(`${other}/`))).sort();
}

/** A list in a setting: names in double quotes may hold commas. `/var/run` is `/run`, hier(7). */
function splitList(value: string): string[] {
  return [...value.matchAll(/"((?:[^"]|"")*)"|[^\s,"][^,"]*/g)]
    .map(([whole, quoted]) => (quoted ?? whole).replaceAll('""', '"').trim())
    .map((path) => path.replace(/^\/var\/run(?=\/|$)/, "/run"));
}

/** Ports of `/proc/net/tcp`: `0100007F:1538`. 2036FEA9 is 169.254.54.32, hostkit's own way to this very server. */
function listening(addresses: readonly string[]): number[] {
  return addresses
    .filter((address) => !address.startsWith("2036FEA9:"))
    .map((address) => Number.parseInt(address.slice(address.lastIndexOf(":") + 1), 16));
}
