import { HostkitError } from "../errors.ts";
import { need } from "../facts/fact.ts";
import type { Facts } from "../facts/fact.ts";
import { postgresFacts } from "../facts/postgres/postgres.ts";
import type { PostgresFact } from "../facts/postgres/postgres.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { checkSystem } from "../host/inspect.ts";
import type { Connection } from "../ssh/connection.ts";
import { gatherFacts } from "../host/gather.ts";
import type { Database } from "../manifest/manifest.ts";
import { postgresMajorOf } from "../stack/database/database-place.ts";
import { renderDatabaseShell } from "../stack/database/database-shell.ts";
import type { DatabaseShell } from "../stack/database/database-shell.ts";
import type { Context } from "../session/context.ts";
import type { Verb } from "./line/verb.ts";
import { chooseOneHost } from "../session/one-host.ts";
import { newMarker, openProject } from "../session/project.ts";
import type { HostAccess, Project } from "../session/project.ts";
import { passTo } from "../session/terminal.ts";

interface ShellOptions {
  readonly command?: readonly string[];
  readonly role?: string;
  readonly readOnly?: boolean;
  readonly csv?: boolean;
}

/** psql on the host: with a terminal of its own where there is one here, else over standard input. */
export const runDatabaseShell: Verb<ShellOptions> = async (context, options, [name]) => {
  const json = context.options.json === true;
  if (json && options.command?.length !== 1) {
    throw new HostkitError("usage", {
      what: "--json needs one query",
      next: "hostkit database shell --json -c 'select …'",
    });
  }
  const project = await openProject(context);
  const host = chooseOneHost(project, "hostkit database shell");
  const { stdin, stdout } = context.terminal;
  const connection = await host.connect();
  try {
    const shell = await chooseShell(project, host, connection, name, options);
    project.log.info("database shell", { ...shell });
    if (json) return await printRows(context, connection, shell, options.command?.[0] ?? "");
    const { command } = options;
    const isInteractive = command === undefined && stdin.isTTY === true && stdout.isTTY === true;
    if (isInteractive) {
      const { text } = renderDatabaseShell({ ...shell, format: "prompt" });
      const result = await connection.execOnTerminal(text, {
        input: stdin,
        output: stdout as NodeJS.WriteStream,
        type: context.terminal.environment["TERM"] ?? "xterm",
      });
      return exitCodeOf(result);
    }
    const { text } = renderDatabaseShell({ ...shell, isFile: command === undefined });
    const result = await connection.exec(text, {
      // Not an argument: SQL may hold what no process list should show.
      stdin: command === undefined ? stdin : joinCommands(command),
      onStdout: passTo(stdout),
      onStderr: passTo(context.terminal.stderr),
    });
    return exitCodeOf(result);
  } finally {
    await connection.close();
  }
};

/** The rows of one query as JSON objects, made by PostgreSQL itself so that numbers stay numbers. */
async function printRows(
  context: Context,
  connection: Connection,
  shell: DatabaseShell,
  query: string,
): Promise<number> {
  const inner = query.trim().replace(/;+$/, "");
  const result = await connection.exec(renderDatabaseShell({ ...shell, format: "bare" }).text, {
    stdin: `select coalesce(json_agg(hostkit_row), '[]') from (\n${inner}\n) hostkit_row;\n`,
  });
  if (result.code !== 0) {
    throw new HostkitError("run_failed", {
      what: "the query failed",
      where: `${shell.database} on ${shell.host}, as ${shell.role}`,
      details: result.stderr.trim().split("\n").slice(0, 10),
      next: "--json takes one query that gives rows; without --json anything goes",
    });
  }
  const { host, database, role } = shell;
  const rows = JSON.parse(result.stdout) as unknown;
  context.print(JSON.stringify({ host, database, role, rows }));
  return 0;
}

/** Each ends by itself, as if it had been typed: `-c '\dt' -c 'select 1'`. */
function joinCommands(commands: readonly string[]): string {
  return commands.map((command) => `${command.trimEnd().replace(/;+$/, "")}\n;\n`).join("");
}

/** psql's own status: 3 is a failed statement. Ended by a signal: as shells count it. */
function exitCodeOf(result: { readonly code: number | null }): number {
  return result.code ?? 128;
}

/** Which database, as whom; both have to be on the host. */
async function chooseShell(
  project: Project,
  host: HostAccess,
  connection: Connection,
  name: string | undefined,
  options: ShellOptions,
): Promise<DatabaseShell> {
  const { database } = project.manifest;
  if (database === undefined) {
    throw new HostkitError("usage", {
      what: "the stack has no database",
      where: "the manifest has no section `database`",
      next: "hostkit check",
    });
  }
  const chosen = chooseDatabase(database, name);
  const facts = await gatherFacts(connection, [need(systemFacts, systemSubject)], newMarker());
  const system = facts.get(systemFacts, systemSubject);
  checkSystem(system, connection);
  const major = postgresMajorOf(database, system);
  const server = readServer(
    await gatherFacts(connection, [need(postgresFacts, String(major))], newMarker()),
    major,
    host,
  );
  refuseMissing(server.databases, "database", chosen, host);
  const role = options.role ?? server.databases[chosen]?.owner ?? "postgres";
  refuseMissing(server.roles, "role", role, host);
  return {
    host: host.name,
    major,
    database: chosen,
    role,
    readOnly: options.readOnly === true,
    format: options.csv === true ? "csv" : "table",
  };
}

function chooseDatabase({ databases }: Database, name: string | undefined): string {
  const known = databases.map((one) => one.name);
  if (name !== undefined && (known.includes(name) || name === "postgres")) return name;
  const [only, another] = known;
  if (name === undefined && only !== undefined && another === undefined) return only;
  throw new HostkitError("usage", {
    what:
      name === undefined
        ? "which database?"
        : `the manifest has no database ${JSON.stringify(name)}`,
    why: `it has: ${known.join(", ") || "none at all"}`,
    next: `hostkit database shell ${only ?? "postgres"}`,
  });
}

function readServer(facts: Facts, major: number, host: HostAccess): PostgresFact {
  const server = facts.get(postgresFacts, String(major));
  if (server !== undefined) return server;
  throw new HostkitError("run_failed", {
    what: `PostgreSQL ${major} does not answer`,
    where: host.name,
    why: "it is not installed yet, or it does not run",
    next: "hostkit status; then hostkit provision, or hostkit start database",
  });
}

function refuseMissing(
  there: Readonly<Record<string, unknown>>,
  what: "database" | "role",
  name: string,
  host: HostAccess,
): void {
  if (Object.hasOwn(there, name)) return;
  throw new HostkitError("usage", {
    what: `there is no ${what} ${JSON.stringify(name)}`,
    where: host.name,
    why: `PostgreSQL has: ${Object.keys(there)
      .filter((one) => !/^template\d$/.test(one))
      .sort()
      .join(", ")}`,
    next: what === "database" ? "hostkit provision" : "hostkit database shell --role NAME",
  });
}
