import type { Command } from "commander";
import { HostkitError } from "../errors.ts";
import { renderCompletion } from "../report/completion.ts";
import type { CompletedCommand } from "../report/completion.ts";
import { everyCommand } from "./line/command-tree.ts";
import type { Verb } from "./line/verb.ts";

/** The completion script of a shell, made from the command line as it is defined. */
export function completionOf(program: Command): Verb {
  return async (context, _options, [shell = ""]) => {
    const script = renderCompletion(shell, everyCommand(program).map(describe));
    if (script === undefined) {
      throw new HostkitError("usage", {
        what: `there is no completion for ${JSON.stringify(shell)}`,
        next: "hostkit completion bash, zsh or fish",
      });
    }
    context.terminal.stdout.write(script);
  };
}

function describe(command: Command): CompletedCommand {
  const words: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) words.unshift(at.name());
  return {
    words,
    summary: command.description(),
    subcommands: command.commands.map((child) => ({
      word: child.name(),
      summary: child.description(),
    })),
    options: command.options
      .filter((option) => !option.hidden)
      .map((option) => ({
        ...(option.short === undefined ? {} : { short: option.short }),
        long: option.long ?? "",
        summary: option.description,
        takesValue: option.required,
      })),
  };
}
