import type { Command } from "commander";
import type { Context } from "../../session/context.ts";

/** A verb's work: context, its own options, its arguments; answers an exit code, or nothing for 0. */
export type Verb<Options = object> = (
  context: Context,
  options: Options,
  words: readonly string[],
) => Promise<number | void>;

/** Adds one verb to a command. */
export type Define = <Options>(
  parent: Command,
  usage: string,
  description: Description,
  load: () => Promise<Verb<Options>>,
) => Command;

/** What the help of a verb says besides its options. */
export interface Description {
  readonly summary: string;
  /** Paragraphs under the summary. */
  readonly more?: string;
  /** Command line and what it is for. */
  readonly examples: readonly (readonly [string, string])[];
  /** `-f` means something else here. */
  readonly hasOwnF?: boolean;
  /** After its first argument and `--` come words of another program. */
  readonly takesCommand?: boolean;
  /** What the verb works on: nothing, the manifest alone, or its hosts (the default). */
  readonly scope?: "none" | "manifest" | "hosts";
}
