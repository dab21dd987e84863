import { HostkitError } from "../errors.ts";
import { copyStack, listStacks } from "../local/stacks.ts";
import type { Verb } from "./program.ts";

interface InitOptions {
  readonly stack?: string;
}

/** Copies a stack, or the minimal manifest, into a folder. Never overwrites. */
export const runInit: Verb<InitOptions> = async (context, options, [directory = "."]) => {
  const stacks = await listStacks();
  const stack = options.stack ?? "minimal";
  if (!stacks.includes(stack)) {
    throw new HostkitError("usage", {
      what: `there is no stack ${JSON.stringify(stack)}`,
      why: `hostkit brings: ${stacks.join(", ")}`,
      next: "hostkit init --stack NAME, or `hostkit init` for a bare manifest",
    });
  }
  const made = await copyStack(stack, directory, context.terminal.workingDirectory);
  if (context.options.json === true) {
    context.print(JSON.stringify({ stack, directory, files: made }));
    return;
  }
  const { green, bold } = context.colors;
  for (const file of made) context.print(`${green("+")} ${file}`);
  const enter = directory === "." ? "" : `cd ${directory} && `;
  context.print(
    `\nNext: put your host into ${bold("hostkit.yaml")}, then ${bold(`${enter}hostkit check`)}`,
  );
};
