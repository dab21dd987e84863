import { type Script, sh } from "../shell/script.ts";

/** Where the cluster's configuration lives (postgresql-common's layout). */
export function postgresConfigDirectory(major: number): string {
  return `/etc/postgresql/${major}/main`;
}

/** The running server writes its port into the fourth line (PostgreSQL, "Database File Layout", postmaster.pid): no program has to read it. */
function pidFile(major: number): string {
  return `/var/lib/postgresql/${major}/main/postmaster.pid`;
}

/** sed(1): keeps the number of each `port = …` and prints the last one. */
const portProgram = "/^ *port *=\\{0,1\\} *'\\{0,1\\}\\([0-9][0-9]*\\).*/{s//\\1/;h;};${g;p;}";

/**
 * The server's own psql (Debian's wrapper costs a Perl start) as the superuser over the socket, with these flags; a
 * database and more words may follow.
 * setpriv instead of runuser: no PAM session, no line in the journal.
 */
export function psqlProgram(major: number, flags: Script): Script {
  const config = postgresConfigDirectory(major);
  // Where the data stands elsewhere, or the server is down, the port is the last one written: conf.d is read after postgresql.conf.
  const port = sh`$({ read -r _; read -r _; read -r _; read -r port; echo "$port"; } 2>/dev/null <${pidFile(major)} || sed -n ${portProgram} ${`${config}/postgresql.conf`} ${config}/conf.d/*.conf 2>/dev/null)`;
  return sh`setpriv --reuid=postgres --regid=postgres --init-groups ${`/usr/lib/postgresql/${major}/bin/psql`} ${flags} -h /var/run/postgresql -p "${port}"`;
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
