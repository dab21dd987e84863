import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { defineBackup } from "./backup-verbs.ts";
import { collect } from "./collect.ts";
import { defineLocalVerbs } from "./local-verbs.ts";
import { defineOneOffs } from "./one-off-verbs.ts";
import { defineReleases } from "./release-verbs.ts";
import { defineRestore } from "./restore-verbs.ts";
import { detailsOption, timingsOption } from "./run-options.ts";
import { defineUpdate } from "./update-verb.ts";
import type { Define } from "./verb.ts";

const restoreFromOption = [
  "--restore-from <name>",
  "bring databases, volumes and files back from this repository, onto a bare host",
] as const;

/** Every verb: its usage, its help, its own options, and where its work is. Nothing is loaded before it is called. */
export function defineVerbs(program: Command, define: Define): void {
  defineManifest(program, define);
  defineUpdate(program, define);
  defineProvision(program, define);
  defineRuns(program, define);
  defineLooks(program, define);
  defineControl(program, define);
  defineReleases(program, define);
  defineOneOffs(program, define);
  defineDatabase(program, define);
  defineBackup(program, define);
  defineRestore(program, define);
  defineUninstall(program, define);
  defineLocalVerbs(program, define);
  defineTexts(program, define);
}

/** What looks at the manifest here. */
function defineManifest(program: Command, define: Define): void {
  define(
    program,
    "init [DIRECTORY]",
    {
      summary: "write a manifest to begin with",
      scope: "none",
      examples: [
        ["hostkit init", "a commented hostkit.yaml, here"],
        ["hostkit init --stack dxcluster cluster", "a complete stack, into the new folder cluster"],
      ],
    },
    async () => (await import("../init.ts")).runInit,
  ).option("--stack <name>", "copy this stack, with all it needs, instead of a bare manifest");

  define(
    program,
    "check",
    {
      summary: "look for mistakes in the manifest and the files it names",
      scope: "manifest",
      more: "Touches no host. Exits 65 when something is wrong; every problem is shown, with its line.",
      examples: [
        ["hostkit check", "hostkit.yaml in this folder"],
        ["hostkit check -f staging.yaml --json", "another one, for a program to read"],
      ],
    },
    async () => (await import("../check.ts")).runCheck,
  );

  define(
    program,
    "build [SERVICE...]",
    {
      summary: "make the packages and files that the manifest names, on this machine",
      scope: "manifest",
      more: `Starts the manifest's \`build_command\`, of the stack or of the services named, and says what came out of it.
Touches no host. Images are built on the host, by provision.`,
      examples: [
        ["hostkit build", "everything"],
        ["hostkit build api", "what the service api needs"],
        ["hostkit build && hostkit provision", "a new version, onto the hosts"],
      ],
    },
    async () => (await import("../build.ts")).runBuild,
  );
}

/** What makes hosts as the manifest says. */
function defineProvision(program: Command, define: Define): void {
  define(
    program,
    "plan",
    {
      summary: "show what provision would change, and why",
      more: `Reads only. Exits 0 when nothing would change, 2 when something would. With --only: of the services named and all that
they need; how much waits outside is said, and does not count.`,
      examples: [
        ["hostkit plan", "all hosts of the manifest"],
        ["hostkit plan --host dx1 --out dx1.plan", "keep it, to provision exactly this"],
        ["hostkit plan --only api", "what of it is for the service api"],
        ["hostkit plan --json | jq '.hosts[].changes[].id'", "for a program"],
      ],
    },
    async () => (await import("../plan.ts")).runPlan,
  )
    .option("--out <file>", "also write the plan as JSON to this file")
    .option(...detailsOption)
    .addOption(onlyOption())
    .option(...restoreFromOption)
    .option(...timingsOption);

  define(
    program,
    "provision",
    {
      summary: "make the hosts what the manifest says",
      more: `Shows the plan, asks, and starts it as one run on each host. The run goes on when the connection or this
program ends: \`hostkit attach\` follows it again. At its end the host is looked at anew: nothing may be left to change.
With --only: the services named and all that they need, which the plan names with its reason. What is outside stays as it
is, and nothing is removed. With --restore-from, on a host that has nothing of the stack yet: its databases, volumes and files come
from that repository of the manifest; the plan says from when they are.`,
      examples: [
        ["hostkit provision", "show the plan, ask, do it"],
        ["hostkit provision --yes", "without a question, as in CI"],
        ["hostkit provision --plan dx1.plan", "only if the plan is still the one in that file"],
        ["hostkit provision --only api,web", "these services, and what they need"],
        [
          "hostkit provision --restore-from offsite",
          "the stack of a machine that is gone, with its data",
        ],
        ["hostkit provision --lab", "on disposable Debian hosts on this machine"],
      ],
    },
    async () => (await import("../provision.ts")).runProvision,
  )
    .option("-y, --yes", "do not ask")
    .option(...detailsOption)
    .option("--plan <file>", "refuse when the plan differs from this one (of `hostkit plan --out`)")
    .addOption(onlyOption())
    .option(...restoreFromOption)
    .option(...timingsOption);
}

/** What follows and lists runs. */
function defineRuns(program: Command, define: Define): void {
  define(
    program,
    "attach [RUN]",
    {
      summary: "follow a run that is going on, or a detached command",
      more: "Without RUN: the newest one. A run that has ended is shown from its start. RUN may be the id of a command of `run --detach`.",
      examples: [
        ["hostkit attach", "the newest run"],
        ["hostkit attach 20261121T010203Z-1a2b", "this one"],
      ],
    },
    async () => (await import("../attach.ts")).runAttach,
  );

  define(
    program,
    "runs",
    {
      summary: "list the runs of the stack on its hosts: who changed what, and when",
      examples: [
        ["hostkit runs", "the newest hundred of each host"],
        ["hostkit runs --json", "with their changes"],
      ],
    },
    async () => (await import("../runs.ts")).runRuns,
  );
}

/** What shows how the stack does. */
function defineLooks(program: Command, define: Define): void {
  define(
    program,
    "status",
    {
      summary: "show what runs where, and how it is",
      more: "Exits 1 when a unit has failed or does not run.",
      examples: [
        ["hostkit status", "all hosts"],
        ["hostkit status --json", "for a monitor"],
      ],
    },
    async () => (await import("../status.ts")).runStatus,
  );

  define(
    program,
    "logs [SERVICE]",
    {
      summary: "show the journal of a service, or of the whole stack",
      hasOwnF: true,
      examples: [
        ["hostkit logs api", "the last 100 lines"],
        ["hostkit logs scraper -f", "and what comes"],
        ["hostkit logs -n 20", "of every unit of the stack"],
      ],
    },
    async () => (await import("../logs.ts")).runLogs,
  )
    .option("-f, --follow", "go on with what comes")
    .addOption(
      new Option("-n, --lines <count>", "how many lines back").default(100).argParser(parseCount),
    );
}

function defineControl(program: Command, define: Define): void {
  for (const [verb, summary] of [
    ["start", "start a service, or the whole stack"],
    ["stop", "stop a service, or the whole stack, until the next start or reboot"],
    ["restart", "restart a service, or the whole stack"],
  ] as const) {
    define(
      program,
      `${verb} [SERVICE]`,
      {
        summary,
        examples: [
          [`hostkit ${verb} api`, "one service, in all its replicas"],
          [`hostkit ${verb}`, "everything the stack runs"],
        ],
      },
      async () => (await import("../control.ts")).controlWith(verb),
    );
  }
}

function defineDatabase(program: Command, define: Define): void {
  const database = program.command("database").description("look into the stack's databases");
  define(
    database,
    "shell [NAME]",
    {
      summary: "psql on the host, over the SSH connection",
      more: `On a terminal: psql with its history, completion and pager. With -c, or with something on standard input: psql for
scripts, which stops at the first error; its exit status is passed on (3: a statement failed). The role is the
database's owner unless --role names another.`,
      examples: [
        ["hostkit database shell", "the stack's only database"],
        ["hostkit database shell --role dx_reader --read-only", "look, and break nothing"],
        ["hostkit database shell -c '\\dt' -c 'select count(*) from dx_spots'", "two commands"],
        [
          "hostkit database shell --json -c 'select * from dx_spots' | jq '.rows[]'",
          "for a program",
        ],
        ["hostkit database shell < mend.sql", "a file of this machine"],
      ],
    },
    async () => (await import("../database.ts")).runDatabaseShell,
  )
    .addOption(
      new Option("-c, --command <sql>", "SQL or a backslash command; again for more").argParser(
        collect,
      ),
    )
    .option("--role <name>", "as this role (default: the database's owner); postgres: superuser")
    .option("--read-only", "transactions cannot write")
    .option("--csv", "rows as CSV");
}

function defineUninstall(program: Command, define: Define): void {
  define(
    program,
    "uninstall",
    {
      summary: "take away everything hostkit put on the hosts",
      more: "Exactly what hostkit made goes, and replaced files come back. Databases, volumes and backups stay unless --delete-data.",
      examples: [
        ["hostkit uninstall", "show what would go, ask, do it"],
        ["hostkit uninstall --delete-data --yes", "everything, data and backups too"],
      ],
    },
    async () => (await import("../uninstall.ts")).runUninstall,
  )
    .option("-y, --yes", "do not ask")
    .option("--delete-data", "databases, volumes and backups go too");

  define(
    program,
    "doctor",
    {
      summary: "look for what could keep hostkit from working, here and on the hosts",
      examples: [
        ["hostkit doctor", "this machine, and the hosts where there is a manifest"],
        ["hostkit doctor --host dx1", "only this host"],
      ],
    },
    async () => (await import("../doctor.ts")).runDoctor,
  );
}

/** What prints texts for other programs. */
function defineTexts(program: Command, define: Define): void {
  define(
    program,
    "schema",
    {
      summary: "print the JSON Schema of hostkit.yaml, for editors",
      scope: "none",
      examples: [
        [
          "hostkit schema > hostkit.schema.json",
          "then, in the manifest's first line: # yaml-language-server: $schema=hostkit.schema.json",
        ],
      ],
    },
    async () => (await import("../schema.ts")).runSchema,
  );
  define(
    program,
    "completion <SHELL>",
    {
      summary: "print the completion script for bash, zsh or fish",
      scope: "none",
      examples: [
        ["hostkit completion bash > ~/.local/share/bash-completion/completions/hostkit", "bash"],
        ["hostkit completion zsh > ~/.zfunc/_hostkit", "zsh, with ~/.zfunc in fpath"],
        ["hostkit completion fish > ~/.config/fish/completions/hostkit.fish", "fish"],
      ],
    },
    async () => (await import("../completion.ts")).completionOf(program),
  );
}

function onlyOption(): Option {
  return new Option(
    "--only <service>",
    "only this service and what it needs; again, or with commas, for more",
  ).argParser(collect);
}

function parseCount(value: string): number {
  if (/^\d{1,7}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("It is a number of lines.");
}
