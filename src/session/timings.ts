import path from "node:path";
import { writeOutput } from "../local/output.ts";
import { describeTrace, renderTimings } from "../report/timings.ts";
import type { Context } from "./context.ts";

/**
 * `--timings`: the waterfall, on stderr so that what the command answers stays as it is; `--timings FILE`: the trace instead.
 * @throws HostkitError where the file cannot be written
 */
export async function showTimings(context: Context): Promise<void> {
  const { timings: wanted } = context.options;
  const { spans } = context.timings;
  if (typeof wanted === "string") {
    const file = path.resolve(context.terminal.workingDirectory, wanted);
    await writeOutput(file, context.redactor.hide(`${JSON.stringify(describeTrace(spans))}\n`));
    context.note(`\nwritten to ${wanted}; open it in chrome://tracing or https://ui.perfetto.dev`);
  } else if (wanted === true) {
    const { columns = 100 } = context.terminal.stderr;
    context.note(`\n${renderTimings(spans, columns, context.errorColors)}`);
  }
}
