import { Command, InvalidArgumentError, Option } from "commander";
import { collect } from "./collect.ts";
import { everyCommand } from "./command-tree.ts";
import { defineVerbs } from "./verbs.ts";
import { HostkitError } from "../../errors.ts";
import { isLabSystem, labSystemNames } from "../../lab/systems.ts";
import { createContext } from "../../session/context.ts";
import type { Context } from "../../session/context.ts";
import { readVersion } from "../../local/templates.ts";
import { quoteWord } from "../../shell/quote.ts";
import { fitForTerminal } from "../../report/terminal-text.ts";
import type { Define, Description, Verb } from "./verb.ts";
import type { Terminal } from "../../session/terminal.ts";

interface Hooks {
  /** The command line. */
  readonly words?: readonly string[];
  onContext(context: Context): void;
  onExit(code: number): void;
}

/** The whole command line. Verbs are loaded when they are called. */
export function buildProgram(terminal: Terminal, hooks: Hooks): Command {
  const program = new Command("hostkit");
  program
    .description("One file describes the host; one command makes it so.")
    .usage("VERB [options]")
    .version(readVersion(), "-V, --version", "print the version")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .helpCommand("help [VERB]", "help for a verb")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ subcommandTerm })
    .addHelpText(
      "after",
      `
Start here:
  hostkit init --stack dxcluster   a manifest to begin with
  hostkit check                    is it right?
  hostkit plan                     what would change on the hosts?
  hostkit provision                make it so

Every verb has examples: hostkit VERB --help`,
    );
  const descriptions = new Map<Command, Description>();

  const define: Define = <Options>(
    parent: Command,
    usage: string,
    description: Description,
    load: () => Promise<Verb<Options>>,
  ): Command => {
    const command = parent.command(usage).description(description.summary);
    if (description.more !== undefined) command.addHelpText("after", `\n${description.more}`);
    const width = Math.max(...description.examples.map(([line]) => line.length));
    const examples = description.examples.map(([line, why]) => `  ${line.padEnd(width)}   ${why}`);
    command.addHelpText("after", `\nExamples:\n${examples.join("\n")}`);
    descriptions.set(command, description);
    const verb = parent === program ? command.name() : `${parent.name()} ${command.name()}`;
    command.action(async () => {
      if (description.takesCommand === true) assertDashes(command, hooks.words ?? []);
      const options = mergeOptions(command);
      const context = createContext(verb.replaceAll(" ", "-"), options, terminal);
      hooks.onContext(context);
      const run = await load();
      hooks.onExit((await run(context, options as Options, command.args)) ?? 0);
    });
    return command;
  };
  defineVerbs(program, define);
  for (const command of everyCommand(program)) {
    const description = descriptions.get(command);
    // A verb's own options come first in its help.
    if (description !== undefined || command === program) addCommon(command, description ?? {});
    command.exitOverride().configureOutput({
      getOutHelpWidth: () => terminal.stdout.columns ?? 100,
      getErrHelpWidth: () => terminal.stderr.columns ?? 100,
      writeOut: (text) => void terminal.stdout.write(fitForTerminal(text)),
      writeErr: (text) => void terminal.stderr.write(fitForTerminal(text)),
      // main.ts shows errors, all in one form.
      outputError: () => undefined,
    });
  }
  return program;
}

/**
 * Words without `--` in front would be half the program's and half hostkit's: `-v` means something to both.
 * @throws HostkitError usage
 */
function assertDashes(command: Command, words: readonly string[]): void {
  const at = words.indexOf("--");
  const behind = at < 0 ? 0 : words.length - at - 1;
  const [first = "", ...rest] = command.args;
  if (rest.length === behind) return;
  throw new HostkitError("usage", {
    what: "what is to be run stands behind `--`",
    why: "so that none of its words is taken for an option of hostkit",
    next: `hostkit ${command.name()} ${first} -- ${rest.map(quoteWord).join(" ")}`,
  });
}

function addCommon(
  command: Command,
  { hasOwnF, scope }: Pick<Description, "hasOwnF" | "scope">,
): void {
  const add = (flags: string, summary: string): Option => {
    const option = new Option(flags, summary).helpGroup("Common options:");
    command.addOption(option);
    return option;
  };
  if (scope !== "none") {
    add(`${hasOwnF === true ? "" : "-f, "}--file <path>`, "the manifest (default: hostkit.yaml)");
  }
  if (scope === undefined || scope === "hosts") {
    add("--host <name>", "only this host of the manifest; again for more").argParser(collect);
    add("--lab [os]", `on lab twins of the hosts: ${labWays}`).argParser(parseLab);
    add("--accept-new-host-key", "trust the key of a host that was never seen before");
  }
  add("--json", "answer in JSON");
  add("--no-color", "no colours (as with NO_COLOR)");
  add("-v, --verbose", "say more, on stderr");
  add("--log <path>", "the log file (default: one a command, in ~/.local/state/hostkit/log)");
}

/** `logs [SERVICE]`: every verb has options, so the list does not say so. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? name : `[${name}]`;
  });
  return [command.name(), ...words].join(" ");
}

/** "--lab, --lab=A or --lab=B" */
const labWays = `--lab, ${labSystemNames.map((name) => `--lab=${name}`).join(", ")}`.replace(
  /, ([^,]*)$/,
  " or $1",
);

function parseLab(value: string): string {
  if (value === "any" || isLabSystem(value)) return value;
  throw new InvalidArgumentError(`Write ${labWays}.`);
}

/** What was given before and after the verb; defaults lose. */
function mergeOptions(command: Command): Record<string, unknown> {
  const chain: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) chain.unshift(at);
  const merged: Record<string, unknown> = { ...command.opts() };
  for (const part of chain) {
    for (const [name, value] of Object.entries(part.opts())) {
      if (part.getOptionValueSource(name) !== "default") merged[name] = value;
    }
  }
  return merged;
}
