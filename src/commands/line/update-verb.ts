import type { Command } from "commander";
import type { Define } from "./verb.ts";

/** What looks up images of registries. */
export function defineUpdate(program: Command, define: Define): void {
  define(
    program,
    "update [SERVICE...]",
    {
      summary: "look up which image each tag of the manifest means now, and pin it",
      more: `Asks the registries of all services whose \`image\` has a tag, or of those named, and keeps the digests in hostkit.lock beside
the manifest. No host is changed: \`hostkit plan\` shows what that means, \`hostkit provision\` pulls it. The first host opens the
connections, so that a registry that only hosts reach can be asked; nothing is installed or written there, and no password gets there.
With --check nothing is written; exits 0 when the lock is as the registries have it, 2 when something is newer or not pinned.`,
      examples: [
        ["hostkit update", "everything"],
        ["hostkit update api", "what the service api is made from"],
        ["hostkit update --check", "only say what is newer"],
        ["hostkit update --here --check", "asked from this machine, as in CI; no host is reached"],
      ],
    },
    async () => (await import("../update.ts")).runUpdate,
  )
    .option("--check", "write nothing; exit 2 when something is newer")
    .option("--here", "this machine opens the connections, not the first host");
}
