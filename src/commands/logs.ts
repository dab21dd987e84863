import { exitCodes, HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { journalScript } from "../host/journal.ts";
import type { JournalUnits } from "../host/journal.ts";
import { targetOf } from "../stack/names.ts";
import type { Verb } from "./line/verb.ts";
import { onEachHost, openProject } from "../session/project.ts";
import { unitPatternsOf } from "../session/stack-units.ts";
import { drained } from "../session/terminal.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly lines: number;
}

/** The journal of a service, or of every unit of the stack, from every host. */
export const runLogs: Verb<LogsOptions> = async (context, { follow, lines }, [service]) => {
  const project = await openProject(context);
  const json = context.options.json === true;
  const script = journalScript(chooseUnits(project.manifest, service), {
    lines,
    format: json ? "json" : "short-iso",
    follow: follow === true,
  });
  const isAlone = project.hosts.length === 1;
  const leave = new AbortController();
  const unlisten = context.terminal.onInterrupt(() => leave.abort());
  try {
    await onEachHost(project.hosts, async (connection, host) => {
      const prefix = isAlone || json ? "" : `${context.colors.bold(host.name)} | `;
      const write = lineWriter(
        (line) => context.print(`${prefix}${line}`),
        () => drained(context.terminal.stdout),
      );
      const result = await connection.exec(script.text, {
        onStdout: write.take,
        signal: leave.signal,
      });
      write.end();
      if (result.code === 0 || result.signal !== null) return;
      throw new HostkitError("run_failed", {
        what: "the journal cannot be read",
        where: connection.description,
        details: result.stderr.trim().split("\n").slice(-5),
      });
    });
  } catch (error) {
    if (leave.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    unlisten();
  }
  return exitCodes.ok;
};

/** The units of a service, or of the whole stack. */
function chooseUnits(manifest: Manifest, service: string | undefined): JournalUnits {
  const patterns = service === undefined ? undefined : unitPatternsOf(manifest, service);
  // Units of the stack begin with its name; what is the distribution's hangs on the target.
  return patterns === undefined
    ? { patterns: [`${manifest.stack}-*`], wantedBy: targetOf(manifest.stack) }
    : { patterns };
}

/** A journal's line is seldom longer; what is, comes in pieces. */
const maxLine = 1024 * 1024;

/** Passes on whole lines, however the bytes come. @param settled once what was written has gone out */
function lineWriter(write: (line: string) => void, settled: () => Promise<void> | undefined) {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    take(chunk: Buffer): Promise<void> | undefined {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > maxLine) lines.push(rest);
      if (rest.length > maxLine) rest = "";
      for (const line of lines) write(line);
      return settled();
    },
    end(): void {
      if (rest !== "") write(rest);
    },
  };
}
