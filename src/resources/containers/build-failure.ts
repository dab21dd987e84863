import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";

/**
 * awk(1): of BuildKit's plain log, then the Dockerfile: what the step that failed said, then `line N` and the step. 23.0 and later
 * show the line themselves (`4 | >>> RUN …`); for older ones it is the one that the step's text begins with.
 */
const failedStep = String.raw`
function plain(text) {
  gsub(/[ \t]+/, " ", text)
  sub(/^ /, "", text)
  sub(/ ?\\?\r?$/, "", text)
  return text
}
FILENAME == ARGV[1] {
  if ($1 ~ /^#[0-9]+$/) {
    rest = substr($0, length($1) + 2)
    if (rest ~ /^\[/ && !($1 in name)) name[$1] = rest
    if (rest ~ /^ERROR: /) failed = $1
    sub(/^[0-9]+\.[0-9]+ /, "", rest)
    said[$1] = said[$1] rest "\n"
    size[$1]++
    if (size[$1] > 400) { sub(/^[^\n]*\n/, "", said[$1]); size[$1]-- }
  }
  if (line == "" && $0 ~ /^ *[0-9]+ \| >>> /) line = $1
  if (line == "" && match($0, /parse error (on )?line [0-9]+/)) {
    line = substr($0, RSTART, RLENGTH)
    sub(/.* /, "", line)
  }
  next
}
{
  text = plain($0)
  step = name[failed]
  sub(/^\[[^]]*\] /, "", step)
  if (guess == "" && length(text) > 3 && index(plain(step), text) == 1) guess = FNR
}
END {
  if (failed != "") printf "%s", said[failed]
  step = name[failed]
  sub(/^\[[^]]*\] /, "", step)
  if (line == "") line = guess
  print "line " line " " step
}`;

/**
 * Runs a build with its output in `build.log`, whose newest line is shown while it goes on. Of one that fails it says what the failing
 * step said and where that stands, instead of all that went well before.
 * @param recipe the Dockerfile beside the script
 * @param file the same as the manifest names it
 */
export function explainFailure(command: Script, recipe: string, file: string): Script {
  return joinScripts([
    sh`if ! ${command} >build.log 2>&1; then
  awk ${failedStep} build.log ${recipe} >failure || true`,
    sh`  sed ${"$d"} failure
  grep -a -e ${"^ERROR: "} -e ${"^failed to solve"} -e ${"^error: "} build.log | tail -n 3 || true
  place=$(sed -n ${"$s/^line //p"} failure)
  number=\${place%% *}
  printf ${"the build of %s%s failed%s\\n"} ${file} "\${number:+:$number}" "\${place#"$number"}"
  exit 1
fi`,
  ]);
}
