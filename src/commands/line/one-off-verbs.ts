import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { mostReplicas } from "../../manifest/services.ts";
import { collect } from "./collect.ts";
import type { Define } from "./verb.ts";

/** What runs one command as a service does. */
export function defineOneOffs(program: Command, define: Define): void {
  const common = (command: Command): Command =>
    command
      .addOption(
        new Option(
          "-e, --env <name>",
          "pass on this variable of the environment here; again for more",
        ).argParser(collect),
      )
      .option("-d, --detach", "go on on the host by itself, and say its id")
      .option("--no-terminal", "pipes, also where there is a terminal");
  common(
    define(
      program,
      "exec <SERVICE> [WORD...]",
      {
        summary: "run a command in what a service runs in now",
        takesCommand: true,
        more: `In a container: beside the program of the release that serves. For a native service: in a unit with its user, sandbox,
environment, secrets and database login, which shares its /tmp. Without a command: a shell, in containers. On a terminal the command
has one, which follows the window; else standard input and output are passed on byte by byte. It ends with its
connection, and with the container it runs in. Its exit status is hostkit's; 125 is a failure of hostkit itself.`,
        examples: [
          ["hostkit exec api", "a shell in the container"],
          [
            "hostkit exec api -- node --version",
            "one command; its words are passed on as they are",
          ],
          [
            "hostkit exec api -- cat /tmp/heap.json > heap.json",
            "what it prints, into a file here",
          ],
          ["hostkit exec api --replica 2 -- ps", "in the second container"],
          ["hostkit exec scraper -- psql -c 'select 1'", "as the native service logs in"],
        ],
      },
      async () => (await import("../one-off.ts")).oneOffWith("exec"),
    ),
  ).addOption(
    new Option("--replica <number>", "in this replica (default: the first)").argParser(
      parseReplica,
    ),
  );
  common(
    define(
      program,
      "run <SERVICE> [WORD...]",
      {
        summary: "run a command in a container or unit of its own, as a service",
        takesCommand: true,
        more: `As the release that serves: its image, environment, secrets, volumes, user, limits, network and database login. Nobody
reaches it: no port is published, and it is not found under the service's name. The command takes the place of the image's; its entry
point stays, unless --no-entrypoint. It goes on when the service is released anew or stopped, and ends with its connection,
unless --detach. Its exit status is hostkit's; 125 is a failure of hostkit itself.`,
        examples: [
          ["hostkit run api", "a shell in a new container"],
          ["hostkit run api -- python manage.py createsuperuser", "with a terminal"],
          ["hostkit run api -- bin/import < rows.csv", "a file of this machine, by standard input"],
          ["hostkit run api --detach -- bin/reindex", "goes on by itself; prints its id"],
          [
            "TOKEN=… hostkit run scraper -e TOKEN -- /usr/bin/dx-scraper --once",
            "native, with one variable more",
          ],
        ],
      },
      async () => (await import("../one-off.ts")).oneOffWith("run"),
    ),
  ).option("--no-entrypoint", "without the image's entry point");
}

function parseReplica(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= 1 && number <= mostReplicas) return number;
  throw new InvalidArgumentError(`It is a number from 1 to ${mostReplicas}.`);
}
