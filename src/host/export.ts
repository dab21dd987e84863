import { HostkitError } from "../errors.ts";
import { boundOf, measureScript, readMeasures } from "../plan/export.ts";
import type { ExportItem } from "../plan/export.ts";
import type { Connection } from "../ssh/connection.ts";

export interface MeasuredItem {
  readonly item: ExportItem;
  readonly bytes: number;
  readonly names: number;
}

/** How large the items are; those that are not there are left out. */
export async function measureItems(
  connection: Connection,
  items: readonly ExportItem[],
): Promise<MeasuredItem[]> {
  const { stdout } = await connection.exec(measureScript(items).text, {
    onRepeat: () => undefined,
  });
  const measures = readMeasures(stdout);
  if (measures.length !== items.length)
    throw new HostkitError("run_failed", {
      what: "the host does not say how much there is to export",
      where: connection.description,
      next: "hostkit doctor",
    });
  return items.flatMap((item, index) => {
    const measure = measures[index];
    return measure === undefined ? [] : [{ item, ...measure }];
  });
}

/**
 * Gives an item's bytes to `take` as they come.
 * @returns whether something in it changed while it was read
 * @throws HostkitError run_failed where it is not whole, or is far more than was measured
 */
export async function streamItem(
  connection: Connection,
  measured: MeasuredItem,
  take: (chunk: Buffer) => Promise<void> | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { item } = measured;
  const bound = boundOf(measured);
  let bytes = 0;
  const { code, stderr } = await connection.exec(item.print.text, {
    signal,
    maxBytes: 1024 * 1024,
    onStdout(chunk) {
      bytes += chunk.length;
      if (bytes <= bound) return take(chunk);
      throw new HostkitError("run_failed", {
        what: `${item.name} is far more than the host said: more than ${bound} bytes came`,
        where: connection.description,
        why: "what was written of it is taken away",
        next: "see what fills it, then run the same command again",
      });
    },
  });
  if (code === 0) return false;
  // GNU tar, "Return Codes": some files changed while they were read.
  if (code === 1 && (item.kind === "volume" || item.kind === "files")) return true;
  throw new HostkitError("run_failed", {
    what: `${item.kind === "database" ? "the database " : ""}${item.name} cannot be exported`,
    where: connection.description,
    why: "what was written of it is taken away",
    details: stderr.trim().split("\n").slice(-10),
    next: "mend the cause, then run the same command again",
  });
}
