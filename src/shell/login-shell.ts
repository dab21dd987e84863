/*
 * What a login shell is sent as a command line. sshd(8) gives it to whatever shell the user has: sh, bash, zsh, ksh, fish, csh. They
 * agree on this much: printable ASCII within single quotes is itself, but for the quote, the backslash (an escape in fish) and the
 * exclamation mark (history in csh); those are themselves behind a backslash outside of quotes; and words that touch are one.
 * On line breaks they do not agree.
 */

/** Unit separator: stands for a line break. No script has it in it. */
const lineBreak = "\u001f";
/** A line of sh, which puts its argument together again. `${IFS#??}` is a line break: what IFS ends with (POSIX.1-2024 XCU 2.5.3). */
const unfold = [
  `hostkit_break=\${IFS#??}`,
  `IFS=${lineBreak}`,
  "set -f",
  "set -- $1",
  "IFS=$hostkit_break",
  'hostkit_script="$*"',
  "unset IFS hostkit_break",
  "set +f --",
  'eval "$hostkit_script"',
].join("; ");

/** A word that every login shell takes for the same text: printable ASCII and the mark for a line break. */
function quoteForAny(text: string): string {
  return text
    .split(/([\\'!])/)
    .map((part, index) => (part === "" ? "" : index % 2 === 1 ? `\\${part}` : `'${part}'`))
    .join("");
}

/**
 * The command line that makes any login shell run a script by sh.
 * @returns undefined where the script holds what not every shell passes on: then it has to go by standard input
 */
export function renderCommandLine(script: string): string | undefined {
  if (!/^[\n\t -~]*$/.test(script)) return undefined;
  if (!/[\n]/.test(script)) return `sh -c ${quoteForAny(script)}`;
  return `sh -c ${quoteForAny(unfold)} sh ${quoteForAny(script.replaceAll("\n", lineBreak))}`;
}
