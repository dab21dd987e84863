/**
 * One `ExecStart=` line from words (systemd.service(5), "Command lines"): `%` and `$` stand for themselves,
 * everything unusual is quoted.
 */
export function renderExecLine(words: readonly string[]): string {
  return words.map(quoteExecWord).join(" ");
}

function quoteExecWord(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[A-Za-z0-9_@%+=:,./$-]+$/.test(escaped)) return escaped;
  const inner = escaped
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
  return `"${inner}"`;
}
