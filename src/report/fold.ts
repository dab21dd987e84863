/**
 * A text in lines no wider than this, broken between words; further lines begin with the hang. A word that is wider than a line is cut.
 * @param first what the first line begins with
 */
export function foldText(
  text: string,
  width: number,
  first = "",
  hang = " ".repeat(first.length),
): string[] {
  const room = Math.max(10, width - hang.length);
  const lines: string[] = [];
  let line = "";
  const words = text.split(" ").flatMap((word) => cutWord(word, room));
  for (const word of words) {
    const next = line === "" ? word : `${line} ${word}`;
    if (next.length > room && line.trim() !== "") {
      lines.push(line.trimEnd());
      line = word;
    } else line = next;
  }
  lines.push(line);
  return lines.map((each, index) => `${index === 0 ? first : hang}${each}`);
}

/** Behind a slash, a dot, a colon or a dash where there is one in the second half of the line. */
function cutWord(word: string, room: number): string[] {
  if (!Number.isFinite(room) || word.length <= room) return [word];
  const head = word.slice(0, room);
  const at = Math.max(...["/", ".", ":", "-"].map((mark) => head.lastIndexOf(mark))) + 1;
  const end = at > room / 2 ? at : room;
  return [word.slice(0, end), ...cutWord(word.slice(end), room)];
}
