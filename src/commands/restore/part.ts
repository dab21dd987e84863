import { HostkitError } from "../../errors.ts";
import { need } from "../../facts/fact.ts";
import { partFacts, partSubject } from "../../facts/postgres/restore-part.ts";
import type { PartFact, PartQuestion } from "../../facts/postgres/restore-part.ts";
import { gatherFacts } from "../../host/gather.ts";
import { assertRunOk } from "../../host/outcome.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { makeOperation } from "../../plan/operation.ts";
import { nameBefore, nameTemporary, planPartRestore } from "../../plan/restore/part.ts";
import type { PartRestore, RestorePart, TableName } from "../../plan/restore/part.ts";
import type { Reach } from "../../plan/restore/reach.ts";
import { parseTableName, writeTableName } from "../../plan/restore/table-name.ts";
import { formatBytes } from "../../report/bytes.ts";
import { renderPartPreview, summarizeCounts } from "../../report/restore.ts";
import type { PartPreview } from "../../report/restore.ts";
import { plainText } from "../../report/terminal-text.ts";
import { newMarker } from "../../session/project.ts";
import { confirmOrRefuse, executeRun, showRuns } from "../../session/watch-run.ts";
import { describeLeftover, describeSource, findReach, readTarget } from "./choose.ts";
import { lookAtCluster, usersOfDatabase } from "./cluster.ts";
import type { RestorePostgresOptions, RestoreRun, SeenCluster } from "./cluster.ts";

/** Brings one database, or tables of one, back while the rest of the cluster goes on; says so first. */
export async function restorePart(
  run: RestoreRun,
  seen: SeenCluster,
  options: RestorePostgresOptions,
): Promise<void> {
  const { context, project, host } = run;
  if (seen.live === undefined)
    throw new HostkitError("usage", {
      ...{
        what: "PostgreSQL does not answer, so that a part of it cannot be put back",
        where: host.name,
      },
      next: "hostkit restore postgres   brings back all of it",
    });
  const asked = readPart(options, project.manifest);
  const there = await lookAtPart(run, seen, asked);
  const part = decidePart(asked, there, options, seen);
  const target = readTarget(options.to, seen);
  const reach = findReach(project.manifest, options, seen, target, host);
  const users = usersOfDatabase(project.manifest, part.database, seen);
  const isServed = part.kind === "database" || (part.kind === "new" && part.as === part.database);
  const units = isServed ? users.units : [];
  const preview: PartPreview = {
    ...describeSource(project.manifest, host, seen, target, reach),
    ...estimateRoom(part, there, reach, seen),
    ...{ part, units, isOfStack: users.isOfStack },
    ...describeLeftover(seen.restore.state),
  };
  refuseWithoutRoom(preview);
  if (context.options.json !== true) context.print(renderPartPreview(preview, context.colors));
  if (options.dryRun === true) {
    if (context.options.json === true) context.print(JSON.stringify({ done: false, ...preview }));
    return;
  }
  await confirmOrRefuse(context, "Restore it?", options.yes === true);
  await carryOut(
    run,
    preview,
    {
      ...{ place: seen.place, id: `${seen.now}-${reach.set.label}`, target, set: reach.set },
      ...{ timeline: seen.restore.timeline, part, units },
      ...(isServed ? users.proof : { logins: [], owners: [] }),
    },
    seen.now,
  );
}

interface AskedPart {
  readonly database: string;
  readonly tables: readonly TableName[];
  /** With tables: where they are to come to. */
  readonly as?: { readonly schema: string; readonly name?: string };
}

/** @throws HostkitError usage for names that are none, and for what is no one's to restore */
function readPart(
  { database, table = [], as }: RestorePostgresOptions,
  { database: section }: Manifest,
): AskedPart {
  const own = (section?.databases ?? []).map(({ name }) => name);
  const chosen = database ?? (table.length > 0 && own.length === 1 ? own[0] : undefined);
  if (chosen === undefined)
    throw new HostkitError("usage", {
      what: "of which database?",
      why: `the manifest has: ${own.join(", ")}`,
      next: `--database ${own[0] ?? "NAME"}`,
    });
  for (const name of [chosen, ...(table.length === 0 && as !== undefined ? [as] : [])])
    refuseName(name);
  const tables = table.map((text) => ({ schema: "public", ...requireName(text, "--table") }));
  if (as === undefined || tables.length === 0) return { database: chosen, tables };
  const { schema, name } = requireName(as, "--as");
  if (schema !== undefined && tables.length > 1)
    throw new HostkitError("usage", {
      what: "--as names one table, and several are asked for",
      next: "--as SCHEMA   brings all of them into that schema",
    });
  return {
    ...{ database: chosen, tables },
    as: schema === undefined ? { schema: name } : { schema, name },
  };
}

function requireName(text: string, option: string): { schema?: string; name: string } {
  const { schema, name } = parseTableName(text) ?? {};
  if (name !== undefined) return { ...(schema === undefined ? {} : { schema }), name };
  throw new HostkitError("usage", {
    what: `${option}: ${JSON.stringify(text)} is no name of a table`,
    next: `write it as SCHEMA.TABLE; what is not plain in double quotes: public."My Table"`,
  });
}

function refuseName(name: string): void {
  if (["postgres", "template0", "template1"].includes(name))
    throw new HostkitError("usage", {
      what: `${name} is PostgreSQL's own database`,
      next: "hostkit restore postgres   brings back the whole cluster",
    });
  // pgBackRest and the state's lines take names as they are.
  if (name !== "" && !/\p{Cc}/u.test(name) && new TextEncoder().encode(name).length < 64) return;
  throw new HostkitError("usage", { what: `${JSON.stringify(name)} is no name of a database` });
}

async function lookAtPart(
  { connection, host }: RestoreRun,
  seen: SeenCluster,
  { database, tables, as }: AskedPart,
): Promise<PartFact> {
  const goals = as === undefined ? tables : tables.map((one) => ({ ...one, ...as }));
  const question: PartQuestion = { major: seen.major, database, tables: goals };
  const subject = partSubject(question);
  const facts = await gatherFacts(connection, [need(partFacts, subject)], newMarker());
  const there = facts.get(partFacts, subject);
  if (there !== undefined) return there;
  throw new HostkitError("usage", { what: "PostgreSQL cannot be asked", where: host.name });
}

/** @throws HostkitError usage where something would be written over */
function decidePart(
  { database, tables, as }: AskedPart,
  there: PartFact,
  options: RestorePostgresOptions,
  { now }: SeenCluster,
): RestorePart {
  const isThere = database in there.databases;
  if (tables.length === 0) {
    const name = options.as ?? database;
    if (name in there.databases && options.as !== undefined)
      throw new HostkitError("usage", {
        what: `there is a database ${name} already (${formatBytes(there.databases[name] ?? 0)})`,
        why: "nothing is written over",
        next: "give another name with --as, or none: it takes the place of the one that is there then",
      });
    if (options.as === undefined && isThere)
      return {
        kind: "database",
        database,
        before: nameBefore(database, Object.keys(there.databases)),
      };
    return { kind: "new", database, as: name };
  }
  if (!isThere)
    throw new HostkitError("usage", {
      what: `there is no database ${database} to bring tables into`,
      next: `hostkit restore postgres --database ${database}   brings back all of it`,
    });
  if (there.tables.length > 0) refuseWritingOver(tables, there, options, now);
  return { kind: "tables", database, tables, ...(as === undefined ? {} : { as }) };
}

function refuseWritingOver(
  tables: readonly TableName[],
  there: PartFact,
  { to, database }: RestorePostgresOptions,
  now: number,
): never {
  const day = new Date(now * 1000).toISOString().slice(0, 10).replaceAll("-", "");
  throw new HostkitError("usage", {
    what: `there is ${there.tables.map(writeTableName).join(", ")} already`,
    why: "nothing is written over",
    details: there.tables.map(
      (one) =>
        `${writeTableName(one)}: ${one.rows < 0 ? "" : `about ${one.rows} rows, `}${formatBytes(one.bytes)}`,
    ),
    next: [
      "bring it back beside, into a schema of its own:",
      `hostkit restore postgres --to '${to}'${database === undefined ? "" : ` --database ${database}`}${tables
        .map((one) => ` --table '${writeTableName(one)}'`)
        .join("")} --as restored_${day}`,
    ].join(" "),
  });
}

/** The copy has holes for other databases; then the part comes over, and is in WAL once more. */
function estimateRoom(
  part: RestorePart,
  { databases }: PartFact,
  { set }: Reach,
  { restore }: SeenCluster,
): Pick<PartPreview, "takes" | "free"> {
  const others = Object.entries(databases)
    .filter(([name]) => name !== part.database && !/^(?:postgres|template[01])$/.test(name))
    .reduce((sum, [, bytes]) => sum + bytes, 0);
  const copy = Math.max(set.bytes - others, databases[part.database] ?? 0);
  const over = part.kind === "tables" ? 0 : (databases[part.database] ?? copy);
  return {
    takes: Math.round((copy + over) * 1.05) + 8 * restore.segmentBytes,
    free: restore.freeBytes + (restore.state?.asideBytes ?? 0),
  };
}

function refuseWithoutRoom({ takes, free, host }: PartPreview): void {
  if (free >= takes) return;
  throw new HostkitError("disk_full", {
    what: `a copy and what comes out of it take about ${formatBytes(takes)}, and ${formatBytes(free)} are free`,
    where: host,
    why: "nothing was changed",
    next: "make room there first",
  });
}

async function carryOut(
  { context, project, host, connection }: RestoreRun,
  preview: PartPreview,
  restore: PartRestore,
  now: number,
): Promise<void> {
  const { stackDirectory, manifest } = project;
  const plan = makeOperation({
    ...{ verb: "restore postgres", host: host.name, stack: manifest.stack, stackDirectory },
    steps: planPartRestore(restore, nameTemporary(now)),
  });
  const outcome = await showRuns(context, project, async (show) =>
    executeRun(context, project, host, connection, plan, show),
  );
  assertRunOk(outcome, host.name);
  const { restore: after } = await lookAtCluster(connection, project);
  const isDone =
    restore.part.kind === "database"
      ? after.state?.stage === "swapped" && after.state.served === "new"
      : after.done.includes(restore.id);
  if (!isDone)
    throw new HostkitError("proof_failed", {
      ...{
        what: "the run ended well, and what was restored is not in its place",
        where: host.name,
      },
      next: "hostkit status",
    });
  const warnings = outcome.failed.map(({ title, log }) => `${title}: ${log.at(-1) ?? "failed"}`);
  const { counts, notes } = after;
  if (context.options.json === true) {
    context.print(JSON.stringify({ done: true, ...preview, counts, notes, warnings }));
    return;
  }
  const { colors } = context;
  for (const line of [...warnings, ...notes])
    context.print(`${colors.yellow("!")} ${host.name}: ${plainText(line)}`);
  context.print(
    [
      `${colors.green("✓")} ${host.name}: ${tellDone(restore.part)} as of ${preview.target}`,
      ...(restore.part.kind === "tables"
        ? counts.map(({ table, rows }) => `  ${plainText(table)}: ${rows} rows`)
        : summarizeCounts(counts).map((line) => `  ${line}`)),
      ...(restore.part.kind === "database"
        ? [
            `  the database from before stands aside as ${restore.part.before} (${formatBytes(after.state?.asideBytes ?? 0)})`,
            "  keep what is there now: hostkit restore confirm   go back: hostkit restore undo",
          ]
        : []),
    ].join("\n"),
  );
}

function tellDone(part: RestorePart): string {
  if (part.kind === "database") return `the database ${part.database} is`;
  if (part.kind === "new")
    return `the database ${part.as} is ${part.as === part.database ? "back," : part.database}`;
  const names = part.tables.map((one) => writeTableName({ ...one, ...part.as }));
  return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} back in ${part.database},`;
}
