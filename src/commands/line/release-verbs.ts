import type { Command } from "commander";
import { detailsOption, timingsOption } from "./run-options.ts";
import type { Define } from "./verb.ts";

/** New versions of services, what was released, and the way back. */
export function defineReleases(program: Command, define: Define): void {
  defineDeploy(program, define);
  defineWayBack(program, define);
}

function defineDeploy(program: Command, define: Define): void {
  define(
    program,
    "deploy SERVICE...",
    {
      summary: "release new versions of services, and nothing else",
      more: `As provision --only: plan, question, run, proof; only these services and what they need. What they are made from
is what the manifest says (a Dockerfile's folder, a package, an image), as it lies here now. --image and --archive say something else for one
service; then the next provision does not put back what the manifest says without a word.`,
      examples: [
        ["hostkit deploy api", "the manifest's, as it is here now"],
        ["hostkit deploy api web --build", "after its build_command on this machine"],
        ["hostkit deploy api --image ghcr.io/example/api:v12", "an image that a pipeline has made"],
        [
          "hostkit deploy api --archive api.tar --yes",
          "a file of `docker save`, without a question",
        ],
      ],
    },
    async () => (await import("../deploy.ts")).runDeploy,
  )
    .option("-y, --yes", "do not ask")
    .option(
      "--image <ref>",
      "this image of a registry instead of the manifest's: name:tag or name@sha256:…",
    )
    .option("--archive <file>", "this file of `docker save` instead of what the manifest says")
    .option("--build", "first start the build_command of these services on this machine")
    .option(...detailsOption)
    .option(...timingsOption);
}

function defineWayBack(program: Command, define: Define): void {
  define(
    program,
    "releases [SERVICE]",
    {
      summary: "list what was released of containers, and what can be gone back to",
      more: "A release stays with its image and its files until three newer ones have served. `--json` tells all that is known of each.",
      examples: [
        ["hostkit releases api", "id, state, when, by whom, image, why"],
        ["hostkit releases", "of all services"],
      ],
    },
    async () => (await import("../releases.ts")).runReleases,
  );

  define(
    program,
    "rollback SERVICE [RELEASE]",
    {
      summary: "let a former release of a container serve again, from what is kept on the host",
      more: `Nothing is built or pulled, and the manifest only says where the hosts are. The release comes as every release does: beside
the one that serves, healthy, then the traffic. Without RELEASE: the one before; again: the one before that. Its settings and
secrets are as they were then; data and migrations are not touched. The next provision does not undo it unless what the service is
made from has changed, or \`--forget\` has given the word.`,
      examples: [
        ["hostkit rollback api", "to the release before; shows which, and asks"],
        ["hostkit rollback api 20261127T1812", "to the release whose id begins so"],
        ["hostkit rollback api --forget", "provision may release again what was gone back from"],
      ],
    },
    async () => (await import("../rollback.ts")).runRollback,
  )
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only say what would be done")
    .option("--forget", "let the next provision release again what was gone back from");
}
