import type { Command } from "commander";

/** The verb that a command line names, as far as it can be told: `lab up`. */
export function nameVerb(program: Command, words: readonly string[]): string {
  const names: string[] = [];
  let at = program;
  for (const word of words) {
    const next = at.commands.find((child) => child.name() === word);
    if (next === undefined) continue;
    names.push(word);
    at = next;
  }
  return names.join(" ");
}

/** A command and all below it. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
