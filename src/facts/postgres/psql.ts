import { rawScript, type Script, sh } from "../../shell/script.ts";

/** Where the cluster's configuration lives (postgresql-common's layout). */
export function postgresConfigDirectory(major: number): string {
  return `/etc/postgresql/${major}/main`;
}

/** sed(1): keeps the value of each `NAME = …` of a postgresql.conf and prints the last one. */
const lastValueOf = (name: string): string =>
  `/^ *${name} *=\\{0,1\\} *'\\{0,1\\}\\([^'# ]*\\).*/{s//\\1/;h;};\${g;p;}`;

/**
 * Prints `-h FOLDER -p PORT` of the cluster's socket. The running server writes both into its postmaster.pid (PostgreSQL, "Database
 * File Layout"), so that no program has to read it; only data that is not at Debian's place has to be looked for.
 */
function locateSocket(major: number): Script {
  const config = postgresConfigDirectory(major);
  const written = sh`${`${config}/postgresql.conf`} ${config}/conf.d/*.conf`;
  return sh`look() { { read -r pid; read -r _; read -r _; read -r port; read -r socket; } 2>/dev/null <"$1/postmaster.pid" && [ -d "/proc/$pid" ]; }
  look ${dataDirectory(major)} || look "$(sed -n ${lastValueOf("data_directory")} ${written} 2>/dev/null)" || { socket= port=$(sed -n ${lastValueOf("port")} ${written} 2>/dev/null); }
  echo "-h \${socket:-/var/run/postgresql} -p \${port:-5432}"`;
}

/** Prints the folder of a cluster's data: Debian's place, where there is a server in it, else what is written. */
export function locateData(major: number): Script {
  const written = sh`${`${postgresConfigDirectory(major)}/postgresql.conf`}`;
  return sh`{ read -r pid 2>/dev/null <${`${dataDirectory(major)}/postmaster.pid`} && [ -d "/proc/$pid" ] && echo ${dataDirectory(major)}; } || sed -n ${lastValueOf("data_directory")} ${written}`;
}

/** Where Debian puts a cluster's data. */
export function dataDirectory(major: number): string {
  return `/var/lib/postgresql/${major}/main`;
}

/** setpriv instead of runuser: no PAM session, no line in the journal. */
export const asPostgres = rawScript("setpriv --reuid=postgres --regid=postgres --init-groups");

/** The folder of the server's own programs: Debian's wrappers cost a Perl start. */
export function programDirectory(major: number): string {
  return `/usr/lib/postgresql/${major}/bin`;
}

/** One of the server's own clients as the superuser over the cluster's socket, wherever that is, with these flags; more words may follow. */
export function clientProgram(major: number, name: string, flags: Script): Script {
  return sh`${asPostgres} ${`${programDirectory(major)}/${name}`} ${flags} $(${locateSocket(major)})`;
}

/** psql; a database and more words may follow. */
export function psqlProgram(major: number, flags: Script): Script {
  return clientProgram(major, "psql", flags);
}

/**
 * psql as the superuser over the socket, for programs; SQL comes on stdin or by `words`.
 * @param database connected to; `postgres` always exists
 * @param words further arguments, each quoted
 */
export function psqlScript(
  major: number,
  database = "postgres",
  words: readonly string[] = [],
): Script {
  return sh`${psqlProgram(major, sh`-XAtq -v ON_ERROR_STOP=1`)} -d ${database} ${words}`;
}

/** One word of PGOPTIONS: a backslash takes its meaning from a blank and from itself (PostgreSQL, "options" in libpq-connect). */
export function quoteServerOption(word: string): string {
  return word.replaceAll(/[\\ ]/g, String.raw`\$&`);
}
