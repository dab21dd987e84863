import { quoteWord } from "../shell/quote.ts";

/** One command as a completion script knows it. */
export interface CompletedCommand {
  /** Below `hostkit`: `["backup", "run"]`; empty for hostkit itself. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly subcommands: readonly { readonly word: string; readonly summary: string }[];
  readonly options: readonly {
    readonly short?: string;
    readonly long: string;
    readonly summary: string;
    readonly takesValue: boolean;
  }[];
}

/** The script for "bash", "zsh" or "fish"; undefined for another shell. */
export function renderCompletion(
  shell: string,
  commands: readonly CompletedCommand[],
): string | undefined {
  if (shell === "bash") return renderBash(commands);
  if (shell === "zsh") return renderZsh(commands);
  if (shell === "fish") return renderFish(commands);
  return undefined;
}

const shells = ["bash", "zsh", "fish"];

function candidates(command: CompletedCommand): string[] {
  const shown = command.words[0] === "completion" ? shells : [];
  const options = command.options.flatMap(({ short, long }) =>
    short === undefined ? [long] : [short, long],
  );
  return [...command.subcommands.map(({ word }) => word), ...shown, ...options];
}

/** The words of the line that are no options say which command it is; file names are offered behind options with a value. */
function renderBash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(
    (command) =>
      `    ${quoteWord(["hostkit", ...command.words].join(" "))}) words=${quoteWord(candidates(command).join(" "))} ;;`,
  );
  return `# bash completion for hostkit
_hostkit() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path=hostkit words= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path $word" in
${commands
  .filter((command) => command.words.length > 0)
  .map(
    (command) =>
      `      ${quoteWord(["hostkit", ...command.words].join(" "))}) path=${quoteWord(["hostkit", ...command.words].join(" "))} ;;`,
  )
  .join("\n")}
    esac
  done
  case "$previous" in
    ${["-f", ...fileOptions].join("|")}) [ "$path" = "hostkit logs" ] || { COMPREPLY=($(compgen -f -- "$current")); return; } ;;
  esac
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _hostkit hostkit
`;
}

const fileOptions = ["--file", "--log", "--out", "--plan"];

function renderZsh(commands: readonly CompletedCommand[]): string {
  const describe = (word: string, summary: string) =>
    quoteWord(`${word.replaceAll(":", "\\:")}:${summary}`);
  const cases = commands.map((command) => {
    const lines = [
      ...command.subcommands.map(({ word, summary }) => describe(word, summary)),
      ...(command.words[0] === "completion" ? shells.map((shell) => describe(shell, "shell")) : []),
      ...command.options.map(({ long, summary }) => describe(long, summary)),
    ];
    return `    ${quoteWord(["hostkit", ...command.words].join(" "))}) list=(${lines.join(" ")}) ;;`;
  });
  const paths = commands
    .filter((command) => command.words.length > 0)
    .map((command) => quoteWord(["hostkit", ...command.words].join(" ")));
  return `#compdef hostkit
_hostkit() {
  local at=hostkit word
  local -a list known
  known=(${paths.join(" ")})
  for word in \${words[2,CURRENT-1]}; do
    (( \${known[(Ie)$at $word]} )) && at="$at $word"
  done
  case "\${words[CURRENT-1]}" in
    ${fileOptions.join("|")}) _files; return ;;
  esac
  case "$at" in
${cases.join("\n")}
  esac
  _describe hostkit list
}
if [ "$funcstack[1]" = _hostkit ]; then _hostkit "$@"; else compdef _hostkit hostkit; fi
`;
}

function renderFish(commands: readonly CompletedCommand[]): string {
  const lines: string[] = ["# fish completion for hostkit", "complete -c hostkit -f"];
  const verbs = commands
    .filter((command) => command.words.length === 1)
    .map(({ words }) => words[0] ?? "");
  for (const command of commands) {
    const [verb, sub] = command.words;
    const seen = [verb, sub].filter((word) => word !== undefined);
    const inside = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
    const children = command.subcommands.map(({ word }) => word);
    const outside = verb === undefined ? verbs : children;
    const notYet =
      outside.length === 0 ? [] : [`not __fish_seen_subcommand_from ${outside.join(" ")}`];
    const when = [...inside, ...notYet].join("; and ");
    for (const { word, summary } of command.subcommands) {
      lines.push(`complete -c hostkit -n ${quoteWord(when)} -a ${word} -d ${quoteWord(summary)}`);
    }
    if (verb === "completion")
      lines.push(`complete -c hostkit -n ${quoteWord(when)} -a ${quoteWord(shells.join(" "))}`);
    for (const { short, long, summary, takesValue } of command.options) {
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      const value = !takesValue ? "" : fileOptions.includes(long) ? " -r -F" : " -x";
      lines.push(
        `complete -c hostkit -n ${quoteWord(when)}${letter} -l ${long.slice(2)}${value} -d ${quoteWord(summary)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
