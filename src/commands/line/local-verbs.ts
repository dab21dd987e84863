import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { labSystemNames } from "../../lab/systems.ts";
import type { Define } from "./verb.ts";

/** Verbs that are as much about this machine as about hosts. */
export function defineLocalVerbs(program: Command, define: Define): void {
  defineClean(program, define);
  defineDev(program, define);
  defineLab(program, define);
}

function defineClean(program: Command, define: Define): void {
  define(
    program,
    "clean",
    {
      summary: "take away what nobody needs any more, here and on the hosts",
      more: `Shows what would go and how much that frees, and asks. Here (built): packages and output folders that git ignores and
a build command makes again. On the hosts: images that no release needs any more, and what broken-off builds left
(images); what finished runs brought, and runs beyond the kept number (runs); what hostkit dev has sent (sources);
packages that apt keeps (apt). Never data, volumes, backups, what runs, or what the release before it needs.`,
      examples: [
        ["hostkit clean --dry-run", "only say what would go"],
        ["hostkit clean", "show it, ask, do it"],
        ["hostkit clean --only built", "what builds made on this machine; no host is touched"],
        ["hostkit clean --only images --only apt --yes", "only these, without a question"],
      ],
    },
    async () => (await import("../clean.ts")).runClean,
  )
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only show what would go")
    .addOption(
      new Option("--only <kind>", "built, images, runs, sources or apt; again for more").argParser(
        collectKind,
      ),
    )
    .addOption(
      new Option("--keep-runs <count>", "so many of the newest runs stay")
        .default(100)
        .argParser(parseRuns),
    );
}

function collectKind(value: string, before: readonly string[] | undefined): string[] {
  const kinds = ["built", "images", "runs", "sources", "apt"];
  if (kinds.includes(value)) return [...(before ?? []), value];
  throw new InvalidArgumentError(`It is one of: ${kinds.join(", ")}.`);
}

function parseRuns(value: string): number {
  if (/^\d{1,4}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("It is a number of runs.");
}

function defineDev(program: Command, define: Define): void {
  define(
    program,
    "dev [SERVICE...]",
    {
      summary: "develop: what is saved here is live on a lab host a moment later",
      more: `Builds, provisions the lab twin of the host, shows its sites under http://localhost, follows the logs, and watches
the sources. A saved file that its image only copies is mounted and its service started again; anything else that is
saved (a Dockerfile, a package's sources, a migration, the manifest) is built and provisioned. Open pages load again.
Ctrl-C ends it; the lab host stays, for the next time.`,
      examples: [
        ["hostkit dev", "the whole stack, on a lab host of this machine"],
        ["hostkit dev api dashboard", "only these are watched and shown"],
        ["hostkit dev --down", "and take the lab host away in the end"],
        ["hostkit dev --on-host --host staging", "on a host of the manifest instead"],
      ],
    },
    async () => (await import("../dev.ts")).runDev,
  )
    .option("--on-host", "on the manifest's own host, not on its lab twin")
    .option("--down", "remove the lab host at the end")
    .addOption(
      new Option("--port <number>", "first port on localhost for the sites")
        .default(8100)
        .argParser(parsePort),
    )
    .option("-y, --yes", "do not ask (with --on-host)");
}

function parsePort(value: string): number {
  const port = Number(value);
  if (/^\d{1,5}$/.test(value) && port > 0 && port < 65_536) return port;
  throw new InvalidArgumentError("It is a port, 1 to 65535.");
}

function defineLab(program: Command, define: Define): void {
  const lab = program.command("lab").description("disposable Debian hosts on this machine");
  defineLabLife(lab, define);
  defineLabLooks(lab, define);
}

/** What makes lab hosts, and takes them away. */
function defineLabLife(lab: Command, define: Define): void {
  define(
    lab,
    "up [NAME...]",
    {
      summary: "boot lab hosts; without a name, the twins of the manifest's hosts",
      scope: "manifest",
      more: "Needs root on a Linux machine. Any verb with --lab works on the twins.",
      examples: [
        ["hostkit lab up", "one twin for each host of the manifest"],
        [`hostkit lab up try --os ${labSystemNames[0]}`, "a host of its own"],
      ],
    },
    async () => (await import("../lab.ts")).runLabUp,
  ).addOption(new Option("--os <system>", "operating system").choices(labSystemNames));
  define(
    lab,
    "down [NAME...]",
    {
      summary: "remove lab hosts and every trace of them",
      scope: "manifest",
      examples: [
        ["hostkit lab down", "the twins of the manifest's hosts"],
        ["hostkit lab down --all", "every lab host on this machine"],
      ],
    },
    async () => (await import("../lab.ts")).runLabDown,
  ).option("--all", "every lab host on this machine");
}

/** What shows lab hosts that are there. */
function defineLabLooks(lab: Command, define: Define): void {
  define(
    lab,
    "list",
    {
      summary: "list lab hosts",
      scope: "none",
      examples: [["hostkit lab list --json", "with addresses and keys"]],
    },
    async () => (await import("../lab.ts")).runLabList,
  );
  define(
    lab,
    "ssh <NAME> [COMMAND...]",
    {
      summary: "log in to a lab host as root",
      scope: "none",
      examples: [
        ["hostkit lab ssh try", "a shell"],
        ["hostkit lab ssh try systemctl --failed", "one command"],
      ],
    },
    async () => (await import("../lab.ts")).runLabSsh,
  ).passThroughOptions();
}
