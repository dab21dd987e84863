import { joinScripts, sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** A place that something is to be restored to. */
export interface RestorePlaceFact {
  readonly exists: boolean;
  /** What is mounted there or below it. */
  readonly mounts: readonly string[];
}

/** Paths by themselves. */
export const restorePlaceFacts: FactSource<RestorePlaceFact> = {
  name: "restore-place",
  // /proc/self/mountinfo writes a space, tab, newline or backslash of a path in octal: proc_pid_mountinfo(5).
  script: (paths) =>
    joinScripts(
      paths.map(
        (path) => sh`echo ${`of ${path}`}
if [ -e ${path} ] || [ -L ${path} ]; then echo there; fi
cut -d ' ' -f 5 /proc/self/mountinfo | sed 's/\\\\040/ /g' | while IFS= read -r m; do
  case $m/ in ${path}/*) echo "mount $m" ;; esac
done`,
      ),
    ),
  parse(stdout) {
    const found = new Map<string, RestorePlaceFact>();
    for (const section of stdout.split(/^of (?=\/)/m).slice(1)) {
      const [path = "", ...lines] = section.split("\n");
      found.set(path, {
        exists: lines.includes("there"),
        mounts: lines.flatMap((line) => (line.startsWith("mount ") ? [line.slice(6)] : [])),
      });
    }
    return found;
  },
};

/** What was somewhere before something was restored there, and is still kept. */
export interface KeptFact {
  /** The run that restored it. */
  readonly run: string;
  /** Where it was. */
  readonly path: string;
  /** Where it is now. */
  readonly folder: string;
  /** On the disk. */
  readonly bytes: number;
}

/** Stacks by name: what their restores of files keep, the oldest first. */
export const keptFacts: FactSource<readonly KeptFact[]> = {
  name: "kept",
  script: (stacks) => sh`for stack in ${stacks}; do
  for d in /var/lib/hostkit/"$stack"/restores/*/*/; do
    [ -f "$d/to" ] || continue
    if [ ! -e "$d/before" ] && [ ! -L "$d/before" ]; then continue; fi
    item=$(readlink -f "$d") run=\${d%/*/} run=\${run##*/}
    printf '%s\t%s\t%s\t%s\t%s\n' "$stack" "$run" "$(du -s -B1 -- "$item/before" | cut -f 1)" "$item/before" "$(cat "$d/to")"
  done
done`,
  parse(stdout, stacks) {
    const found = new Map<string, KeptFact[]>(stacks.map((stack) => [stack, []]));
    for (const match of stdout.matchAll(/^(\S+)\t(\S+)\t(\d+)\t([^\t\n]+)\t([^\t\n]+)$/gm)) {
      const [, stack = "", run = "", bytes, folder = "", path = ""] = match;
      found.get(stack)?.push({ run, path, folder, bytes: Number(bytes) });
    }
    return found;
  },
};
