/**
 * What a step's log says went wrong. Programs say the first cause once, and then at length what followed from it: the last lines
 * alone are often "returned an error code (1)".
 */

/** Lines shown of a log's end. */
const shownLines = 14;
const longestLine = 400;

/** Progress and success: dpkg, apt, Docker, BuildKit, npm, pip, systemd. */
const noise = [
  /^(?:Selecting previously unselected|Preparing to unpack|Unpacking|Setting up|Processing triggers|Removing|Purging configuration) /,
  /^\(Reading database/,
  /^(?:Get|Hit|Ign):\d+ /,
  /^(?:Fetched \d|Need to get|After this operation|Reading (?:package lists|state information)|Building dependency tree|Scanning )/,
  /^(?:The following|Suggested packages|Recommended packages|\d+ upgraded,)/,
  /^(?:Created symlink|Removed |update-alternatives: using|debconf: |invoke-rc\.d: policy|Extracting templates|Preconfiguring)/,
  /^[0-9a-f]{12}: (?:Pulling fs layer|Waiting|Downloading|Verifying Checksum|Download complete|Extracting|Pull complete|Already exists)/,
  /^#\d+ (?:DONE|CACHED|sha256:|extracting|transferring|resolve|\[internal\]|\d+\.\d+ ?$|\.\.\.)/,
  /^(?: ---> |Step \d+\/\d+ :|Removing intermediate container|Sending build context)/,
  /^npm (?:notice|warn|http|timing)/i,
  /^(?:Requirement already satisfied|Collecting |Downloading |\s*[━-]{3,})/,
  /^(?:Start-Date|End-Date|Log started|Log ended)/,
];

/** Words that a cause is told in. */
const complaint =
  /\b(?:errors?|fatal|fail(?:ed|s|ure)?|cannot|can't|could not|couldn't|unable|denied|refused|not found|no such|not permitted|invalid|unmet|conflicts?|exception|panic|traceback|undefined|missing|timed? ?out|not healthy|no space left|already (?:in use|allocated|exists)|does not (?:exist|stay)|is not (?:there|allowed|installable|going to be installed)|unrecognized|unknown|unauthorized|forbidden|mismatch|out of memory|oom|killed|broken|corrupt|expired|syntax)\b|^E: |[a-z](?:Error|Exception)\b/i;

/** They look like complaints and are none. */
const harmless =
  /^W: |\bwarn(?:ing)?\b|\b0 (?:errors?|failed|failures)\b|\b(?:errors?|failed|failures)[:=] ?0\b|--no-fail|set -e|error[-_.](?:page|handler|log|pages)|\berrors?\.(?:js|ts|py|go|rb|log|html)\b|if .* fails?\b|on[- ]error\b/i;

/** What somebody further out says about it: true, and no cause. */
const echo = [
  /^E: Sub-process .* returned an error code/,
  /^(?:dpkg: )?Errors were encountered while processing/i,
  /^dpkg: (?:error processing (?:package|archive)|dependency problems prevent)/,
  /^ ?(?:installed|new|old) .* package (?:post|pre)-?(?:installation|removal|inst|rm)? ?script subprocess returned/,
  /^(?:make(?:\[\d+\])?: \*\*\*|gmake)/,
  /returned a non-zero code/,
  /^(?:ERROR: )?failed to (?:solve|build)/i,
  /did not complete successfully|process ".*" did not complete/,
  /^npm (?:err!|error) (?:code|errno|A complete log|Lifecycle|path|syscall|workspace|location|command|in workspace|at location|$)/i,
  /^npm (?:err!|error) .*(?:exit status|ELIFECYCLE)/i,
  /^npm (?:err!|error)$/i,
  /^Job for .* failed/,
  /^See ["'`]?(?:systemctl|journalctl)/,
  /(?:exit(?:ed)?(?: with)?(?: code| status)?|status|code)[ =:]+\d+(?:\/\w+)?[.)]?$/i,
  /^(?:Traceback \(most recent|Stack trace|stack backtrace|goroutine \d)/,
  /^\S+\.service: (?:Main process exited|Failed with result|Control process exited|Scheduled restart)/,
  /^(?:systemd\[\d+\]: )?Failed to start /,
  /the last lines of|its last lines|does not stay up|ends again and again|not healthy after/,
  /^health check failed \(|^not healthy: restarting/,
  /^\s*(?:at |throw |raise |File "|\^|\d+ \||>)/,
  /^(?:Error|error):?$/,
];

/** Lines as somebody saw them: what a progress display wrote over is gone, and so are colours. */
function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => {
      const last = line.replace(/\r+$/, "").split("\r").at(-1) ?? "";
      // oxlint-disable-next-line no-control-regex
      return last
        .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "")
        .trimEnd()
        .slice(0, longestLine);
    })
    .filter((line) => line.trim() !== "");
}

/** The text of a line without what a builder puts before it: `#12 3.456 `. */
function bare(line: string): string {
  return line.replace(/^#\d+ \d+\.\d+ /, "").trimStart();
}

/** The first line of a log that tells a cause; undefined where none does. */
export function findCause(text: string): string | undefined {
  const lines = linesOf(text).filter((line) => !noise.some((pattern) => pattern.test(line)));
  const raised = raisedLines(lines);
  const quoted = quotedLines(lines);
  const complaints = lines.filter(
    (line) => raised.has(line) || (complaint.test(line) && !harmless.test(line)),
  );
  const first =
    complaints.find(
      (line) =>
        !quoted.has(line) &&
        !echo.some((pattern) => pattern.test(bare(line)) || pattern.test(line)),
    ) ?? complaints[0];
  return first === undefined ? undefined : bare(first);
}

/** Source text that a compiler or interpreter points at from the line below: `   ^`, `~~~^~~`, ` | ^^^`. */
function quotedLines(lines: readonly string[]): ReadonlySet<string> {
  return new Set(
    lines.filter((_, index) => /^[\s|.:\d]*~*\^[~^]*(?:\s|$)/.test(bare(lines[index + 1] ?? ""))),
  );
}

/** Python tells what was raised in the first line behind a traceback that is not indented, in whatever words. */
function raisedLines(lines: readonly string[]): ReadonlySet<string> {
  return new Set(
    lines.flatMap((line, index) => {
      if (!bare(line).startsWith("Traceback (most recent call last)")) return [];
      const after = lines.slice(index + 1).find((each) => /^(?:#\d+ \d+\.\d+ )?\S/.test(each));
      return after === undefined ? [] : [after];
    }),
  );
}

/** What is shown of a log: its cause, where the last lines do not hold it, and the last lines without progress. */
export function condenseLog(text: string, lines = shownLines): string[] {
  const all = linesOf(text);
  const said = all.filter((line) => !noise.some((pattern) => pattern.test(line)));
  // Nothing but progress: then that is all there is to tell.
  const end = (said.length === 0 ? all : said).slice(-lines);
  const cause = findCause(text);
  if (cause === undefined || end.some((line) => bare(line) === cause)) return end;
  return [cause, "…", ...end];
}
