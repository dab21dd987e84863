import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** One Docker image and what its layers take. */
export interface ImageLeftover {
  /** `sha256:…` */
  readonly id: string;
  /** `name:tag`, and `name@sha256:…` for what was pulled. */
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** No name leads to it, and no other image is built on it. */
  readonly isDangling: boolean;
  /** A container has it, whether it runs or not. */
  readonly isUsed: boolean;
  /** Layers that were made on this host: bytes by id. The same layer may be part of several images. */
  readonly layers: Readonly<Record<string, number>>;
}

export interface RunLeftover {
  readonly id: string;
  /** "lost": it ended without a word. */
  readonly state: "ended" | "running" | "lost";
  readonly bytes: number;
  /** What of it was only needed to carry it out: packages, archives, build contexts. */
  readonly payloadBytes: number;
}

/** What lies on a host of which nobody may have need any more. */
export interface Leftovers {
  readonly images: readonly ImageLeftover[];
  /** Docker was installed by hostkit. */
  readonly isEngineOurs: boolean;
  /** Oldest first. */
  readonly runs: readonly RunLeftover[];
  /** Sources that `hostkit dev` sent, and whether a session goes on; absent where there are none. */
  readonly dev?: { readonly bytes: number; readonly isWatched: boolean };
  /** Packages that apt has downloaded and kept. */
  readonly aptBytes: number;
}

/** Stacks by name. */
export const leftoverFacts: FactSource<Leftovers> = {
  name: "leftovers",
  lane: "docker",
  script: (stacks) => sh`for s in ${stacks}; do
  dir=/var/lib/hostkit/$s
  echo "stack $s"
  find /var/cache/apt/archives -name ${"*.deb"} -type f -printf ${"%s\\n"} 2>/dev/null | awk ${'{n += $1} END {print "apt", n + 0}'}
  for d in "$dir"/runs/*/; do
    [ -e "$d" ] || continue
    id=$(basename "$d") state=lost
    if tail -n 1 "$d/events" 2>/dev/null | grep -q ${'"event":"end"'}; then state=ended
    elif systemctl is-active -q "hostkit-run-$s-$id.service"; then state=running; fi
    payload=$(find "$d/c" "$d/queue" -type f -size +16k ! -name ${"*.log"} ! -path ${"*/steps/*"} -printf ${"%s\\n"} 2>/dev/null | awk ${"{n += $1} END {print n + 0}"})
    echo "run $id $state $(du -sb "$d" | cut -f1) $payload"
  done
  if [ -d "$dir/dev" ]; then
    watched=no
    [ -z "$(find "/run/hostkit-dev-$s" -mmin -1 -size +0 2>/dev/null)" ] || watched=yes
    echo "dev $(du -sb "$dir/dev" | cut -f1) $watched"
  fi
  command -v docker >/dev/null || continue
  if cat /var/lib/hostkit/*/packages 2>/dev/null | grep -qx ${"docker\\.io\\|docker-ce"}; then echo "engine ours"; fi
  docker ps -aq --no-trunc | xargs -r docker inspect --type container --format ${"used {{.Image}}"}
  docker image ls -q --no-trunc --filter dangling=true | sed ${"s/^/dangling /"}
  ids=$(docker image ls -q --no-trunc | sort -u)
  [ -n "$ids" ] || continue
  docker image inspect --format ${"image {{.Id}}{{range .RepoTags}} {{.}}{{end}}{{range .RepoDigests}} {{.}}{{end}}"} $ids | while read -r word id names; do
    echo "$word $id $names"
    docker history --no-trunc --human=false --format "layer $id {{.ID}} {{.Size}}" "$id"
  done
done`,
  parse(stdout, stacks) {
    const found = new Map<string, Leftovers>();
    for (const section of stdout.split(/^stack /m)) {
      const [stack = "", ...lines] = section.split("\n");
      if (stacks.includes(stack)) found.set(stack, readSection(lines));
    }
    return found;
  },
};

function readSection(lines: readonly string[]): Leftovers {
  const rows = lines.map((line) => line.trim().split(" "));
  const of = (word: string) => rows.filter(([first]) => first === word).map((row) => row.slice(1));
  const ids = (word: string) => new Set(of(word).map(([id]) => id));
  const used = ids("used");
  const dangling = ids("dangling");
  const layers = of("layer");
  const [dev] = of("dev");
  return {
    images: of("image").map(([id = "", ...names]) => ({
      id,
      tags: names.filter((name) => !name.includes("@")),
      digests: names.filter((name) => name.includes("@")),
      isDangling: dangling.has(id),
      isUsed: used.has(id),
      layers: Object.fromEntries(
        layers
          .filter(([image, layer]) => image === id && layer !== "<missing>")
          .map(([, layer = "", bytes]) => [layer, Number(bytes)]),
      ),
    })),
    isEngineOurs: of("engine").length > 0,
    runs: of("run").map(([id = "", state, bytes, payload]) => ({
      id,
      state: state as RunLeftover["state"],
      bytes: Number(bytes),
      payloadBytes: Number(payload),
    })),
    ...(dev === undefined ? {} : { dev: { bytes: Number(dev[0]), isWatched: dev[1] === "yes" } }),
    aptBytes: Number(of("apt")[0]?.[0] ?? 0),
  };
}
