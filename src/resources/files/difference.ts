import { structuredPatch } from "diff";

/**
 * Lines of a unified diff, without file headers: " same", "-old", "+new", "@@ … @@".
 * Empty where the texts are equal; cut after `limit` lines.
 */
export function diffLines(before: string, after: string, limit = 200): string[] {
  if (before === after) return [];
  const patch = structuredPatch("before", "after", before, after, "", "", { context: 2 });
  const lines = patch.hunks.flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
    ...hunk.lines,
  ]);
  if (lines.length <= limit) return lines;
  return [...lines.slice(0, limit), `… ${lines.length - limit} more lines`];
}
