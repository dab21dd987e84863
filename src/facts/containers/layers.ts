import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** The one subject of `layerFacts`. */
export const layersSubject = "host";

const maxImages = 2000;
const maxBytes = 8 * 1024 * 1024;

/** The layers of every image on the host, from its base on, as hexadecimal diff ids; those of stages of builds too. */
export const layerFacts: FactSource<readonly (readonly string[])[]> = {
  name: "docker-layers",
  lane: "docker",
  script: () =>
    sh`if command -v docker >/dev/null; then
  docker image ls --all --quiet --no-trunc | sort -u | head -n ${maxImages} |
    xargs -r docker image inspect --format ${"{{json .RootFS.Layers}}"} | sort -u | head -c ${maxBytes}
fi`,
  parse(stdout) {
    const chains = stdout.split("\n").flatMap((line) => {
      // The last line may be cut short.
      if (!/^\["sha256:[^[]*"\]$/.test(line)) return [];
      return [[...line.matchAll(/"sha256:([0-9a-f]{64})"/g)].map(([, hash = ""]) => hash)];
    });
    return new Map([[layersSubject, chains]]);
  },
};

/** What has come of an image's layers. */
export interface SentLayers {
  /** Diff ids of those that are whole. */
  readonly whole: ReadonlySet<string>;
  /** Bytes that are there of others, by diff id. */
  readonly parts: ReadonlyMap<string, number>;
}

/** Folders that layers are sent into, by path; those that are not there yet are not found. */
export const sentLayerFacts: FactSource<SentLayers> = {
  name: "sent-layers",
  script: (folders) => sh`for d in ${folders}; do
  [ -d "$d" ] || continue
  echo "of $d"
  find "$d"/blobs/sha256 -maxdepth 1 -type f -printf ${"whole %f %s\\n"}
  find "$d"/part -maxdepth 1 -type f -printf ${"part %f %s\\n"}
done | head -c ${maxBytes}`,
  parse(stdout) {
    const found = new Map<string, SentLayers>();
    for (const section of stdout.split(/^of (?=\/)/m).slice(1)) {
      const [folder = "", ...lines] = section.split("\n");
      const whole = new Set<string>();
      const parts = new Map<string, number>();
      for (const line of lines) {
        const [, kind, hash = "", size] = /^(whole|part) ([0-9a-f]{64}) (\d+)$/.exec(line) ?? [];
        if (kind === "whole") whole.add(hash);
        else if (kind === "part") parts.set(hash, Number(size));
      }
      found.set(folder, { whole, parts });
    }
    return found;
  },
};
