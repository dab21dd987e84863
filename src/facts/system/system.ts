import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";
import type { ClusterPlace } from "../postgres/cluster.ts";

/** What a plan must know of the operating system before it can name packages and paths. */
export interface System {
  /** os-release(5) ID: "debian", "ubuntu". */
  readonly distribution: string;
  /** os-release VERSION_ID: "12", "13", "24.04". */
  readonly version: string;
  /** dpkg's name: "amd64", "arm64". */
  readonly architecture: string;
  /** PostgreSQL's clusters `main` by major version, those of them that were asked for; absent before a host was looked at. */
  readonly clusters?: Readonly<Record<string, ClusterPlace>>;
}

export interface SystemFact extends System {
  readonly prettyName: string;
  readonly hostname: string;
  readonly isSystemd: boolean;
  readonly memoryKib: number;
  /** Seconds since the epoch on the host. */
  readonly time: number;
}

/** The one subject of this source. */
export const systemSubject = "host";

export const systemFacts: FactSource<SystemFact> = {
  name: "system",
  // dpkg keeps its native architecture in a file since 1.22.
  script: () => sh`. /etc/os-release
echo "distribution=$ID"
echo "version=$VERSION_ID"
echo "prettyName=$PRETTY_NAME"
[ -r /var/lib/dpkg/arch-native ] && read -r architecture </var/lib/dpkg/arch-native || architecture=$(dpkg --print-architecture)
echo "architecture=$architecture"
read -r hostname </proc/sys/kernel/hostname
echo "hostname=$hostname"
[ -d /run/systemd/system ] && echo "systemd=yes"
while read -r key value _; do
  case $key in MemTotal:) echo "memory=$value"; break ;; esac
done </proc/meminfo
echo "time=$(date +%s)"`,
  parse(stdout) {
    const value = new Map(
      stdout
        .split("\n")
        .filter((line) => line.includes("="))
        .map(
          (line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const,
        ),
    );
    return new Map([
      [
        systemSubject,
        {
          distribution: value.get("distribution") ?? "",
          version: value.get("version") ?? "",
          architecture: value.get("architecture") ?? "",
          prettyName: (value.get("prettyName") ?? "").slice(0, 100),
          hostname: value.get("hostname") ?? "",
          isSystemd: value.get("systemd") === "yes",
          memoryKib: Number(value.get("memory") ?? 0),
          time: Number(value.get("time") ?? 0),
        },
      ],
    ]);
  },
};
