/**
 * Quotes one word for a POSIX shell; the only place in the project where this is done.
 * Safe words stay readable, everything else is single-quoted (POSIX.1-2024 XCU 2.2.2).
 *
 * @throws RangeError for a NUL byte, which no argument can hold (execve(2)).
 */
export function quoteWord(word: string): string {
  if (word.includes("\0")) throw new RangeError("a shell word cannot hold a NUL byte");
  if (/^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
