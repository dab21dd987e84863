import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** The one subject. */
export const engineSubject = "docker";

/** The Docker that is there, whoever brought it. */
export interface EngineFact {
  /** Path of dockerd and of docker; empty where there is none. */
  readonly daemon: string;
  readonly client: string;
  /** Packages these are from; empty where no package brought them. */
  readonly packages: readonly string[];
  /** Names of the containers that run. */
  readonly running: readonly string[];
  /** Whether it is in swarm mode. */
  readonly isSwarm: boolean;
}

/** Asked only where something is to be changed. */
export const engineFacts: FactSource<EngineFact> = {
  name: "engine",
  script: () => sh`PATH=$PATH:/snap/bin
daemon=$(command -v dockerd)
client=$(command -v docker)
echo "daemon=$daemon"
echo "client=$client"
for f in $daemon $client; do dpkg-query -S "$(readlink -f "$f")" "$f"; done 2>/dev/null | sed -n ${"s/^\\([^:]*\\):.*/package=\\1/p"} | sort -u
# Where it does not run, a question would start it.
if [ -n "$client" ] && systemctl is-active -q docker.service; then
  timeout 10 docker ps --format ${"running={{.Names}}"}
  timeout 10 docker info --format ${"swarm={{.Swarm.LocalNodeState}}"}
fi`,
  parse(stdout) {
    const valuesOf = (key: string): string[] =>
      stdout
        .split("\n")
        .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
    return new Map([
      [
        engineSubject,
        {
          daemon: valuesOf("daemon")[0] ?? "",
          client: valuesOf("client")[0] ?? "",
          packages: valuesOf("package"),
          running: valuesOf("running"),
          isSwarm: !["inactive", ""].includes(valuesOf("swarm")[0] ?? ""),
        },
      ],
    ]);
  },
};
