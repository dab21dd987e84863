import path from "node:path";
import { HostkitError } from "../errors.ts";
import { copyStack, listStacks } from "../local/stacks.ts";
import type { Verb } from "./line/verb.ts";

interface InitOptions {
  readonly stack?: string;
}

/** Files listed one by one. */
const mostShown = 12;

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
  for (const file of made.slice(0, mostShown)) context.print(`${green("+")} ${file}`);
  if (made.length > mostShown) context.print(`${green("+")} … and ${made.length - mostShown} more`);
  const readme = made.find(
    (file) =>
      path.basename(file) === "README.md" && path.dirname(file) === path.normalize(directory),
  );
  const enter = directory === "." ? "" : `cd ${directory} && `;
  if (readme !== undefined) context.print(`\nRead ${bold(readme)} first.`);
  context.print(
    `\nNext: put your host into ${bold("hostkit.yaml")}, then ${bold(`${enter}hostkit check`)}`,
  );
};
