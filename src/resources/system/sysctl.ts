import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { othersWith } from "../../facts/neighbours.ts";
import type { Claim, Neighbour } from "../../facts/neighbours.ts";
import { hostStampPath, readHostStamp, stampPath } from "../../facts/files/stamp.ts";
import { normalizeSysctl, sysctlFacts, sysctlPath } from "../../facts/system/sysctl.ts";
import { containerFacts, containerSubject } from "../../facts/system/virtualization.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { handOver, neighboursOf } from "../claims.ts";
import { findDifferences, putStep } from "../files/file.ts";
import { preimagePath, restoreScript } from "../files/preimage.ts";
import { claimSame, claimTogether, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * Kernel settings: a file for the next boot, and the same values now. A key that this kernel does not have or does not
 * let us write is noted once and is no drift. In a container only `net.*` is ours: the rest is the machine's underneath.
 */
export interface SysctlResource extends Resource {
  readonly kind: "sysctl";
  readonly path: string;
  /** By key, sorted: `net.ipv4.tcp_syncookies` → `1`. */
  readonly values: Readonly<Record<string, string>>;
  /** Those of `values` that the manifest names: they win over the defaults of every stack on the host. */
  readonly said: readonly string[];
  readonly stackDirectory: string;
}

/** Builds the sysctl resource; keys are sorted here. */
export function sysctlFile(
  path: string,
  values: Readonly<Record<string, string>>,
  stackDirectory: string,
  said: readonly string[] = [],
): SysctlResource {
  const sorted = sortValues(
    Object.entries(values).map(([key, value]) => [key, normalizeSysctl(value)] as const),
  );
  return { kind: "sysctl", name: path, path, values: sorted, said, stackDirectory };
}

function sortValues(entries: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries([...new Map(entries)].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const claimPrefix = "sysctl:";

/** What all stacks of the host want together: what a manifest names wins; of two defaults the one that stands there already. */
function mergeValues(
  ours: readonly Claim[],
  neighbours: readonly Neighbour[],
): Record<string, string> {
  const claims = [...ours, ...neighbours.flatMap((neighbour) => neighbour.claims)].filter(
    ({ thing, mode }) => thing.startsWith(claimPrefix) && mode === "same",
  );
  const rank = (claim: Claim) => (claim.isDefault === true ? 0 : 1);
  return sortValues(
    claims
      .toSorted((left, right) => rank(left) - rank(right))
      .map(({ thing, value }) => [thing.slice(claimPrefix.length), value ?? ""] as const),
  );
}

function claimsOf(resource: SysctlResource): Claim[] {
  const said = new Set(resource.said);
  return Object.entries(resource.values).map(([key, value]) =>
    claimSame(
      { kind: "sysctl", name: key, ...(said.has(key) ? {} : { shared: "default" }) },
      value,
      `${claimPrefix}${key}`,
    ),
  );
}

const stampName = "sysctl";
const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

/** The file's text; what belongs to the machine underneath stands in it as a comment. */
export function renderSysctl(values: Readonly<Record<string, string>>, container: string): string {
  const lines = Object.entries(values).map(([key, value]) =>
    isOurs(key, container) ? `${key} = ${value}\n` : `# not in a container: ${key} = ${value}\n`,
  );
  return `# Written by hostkit (section \`host\`).\n${lines.join("")}`;
}

function isOurs(key: string, container: string): boolean {
  return container === "" || key.startsWith("net.");
}

/** A pattern is for systemd-sysctl(8) and the interfaces of now; `all` and `default` beside it are what we compare. */
function isPattern(key: string): boolean {
  return key.includes("*");
}

export const sysctlKind: ResourceKind<SysctlResource> = {
  kind: "sysctl",
  group: "host",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, renderSysctl(resource.values, "")),
    need(containerFacts, containerSubject),
    need(textFacts, hostStampPath(stampName)),
    ...Object.keys(resource.values)
      .filter((key) => !isPattern(key))
      .map((key) => need(sysctlFacts, key)),
  ],

  diff(resource, facts, context): Change | undefined {
    const container = facts.get(containerFacts, containerSubject) ?? "";
    const values = mergeValues(claimsOf(resource), neighboursOf(facts, resource.stackDirectory));
    const text = renderSysctl(values, container);
    const wanted = { ...resource, content: { text }, ...rootFile };
    const reasons = findDifferences(wanted, facts) ?? [];
    const ours = Object.entries(values).filter(([key]) => isOurs(key, container));
    const [applied, ...refusedLines] = (readHostStamp(facts, stampName) ?? "").split("\n");
    const refused = new Map(
      refusedLines.map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), normalizeSysctl(line.slice(at + 1))] as const;
      }),
    );
    if (reasons.length === 0 && applied !== hashText(text)) reasons.push("not applied yet");
    if (reasons.length === 0) reasons.push(...findDrift(ours, refused, facts));
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, resource.path) === undefined ? "create" : "update",
      because: reasons.join(", "),
      difference: diffLines(facts.get(textFacts, resource.path) ?? "", text),
      invalidates: [hostStampPath(stampName)],
      steps: [
        putStep(wanted, context),
        {
          type: "upload",
          as: "wanted",
          content: { text: ours.map(([key, value]) => `${sysctlPath(key)}=${value}\n`).join("") },
        },
        {
          type: "script",
          title: "apply kernel settings",
          script: applyScript(hostStampPath(stampName), hashText(text)),
        },
      ],
    };
  },

  claims: (resource) => [claimTogether(idOf(resource)), ...claimsOf(resource)],
  own: (resource) => ({ kind: "sysctl", name: resource.name, path: resource.path }),
  removesOwnPart: true,
  removalNeeds: (owned) => [
    need(fileFacts, String(owned["path"])),
    need(containerFacts, containerSubject),
  ],

  /** Live values stay until the next boot: what they were before may itself have been somebody's choice since. */
  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    const neighbours = neighboursOf(facts, context.stackDirectory);
    const [other] = othersWith(neighbours, idOf(owned));
    if (other !== undefined) {
      const { stack } = other.neighbour;
      const text = renderSysctl(
        mergeValues([], neighbours),
        facts.get(containerFacts, containerSubject) ?? "",
      );
      const change = removeByScript(
        owned,
        `leave ${path} to stack ${stack}`,
        sh`${handOver(preimagePath(path, context.stackDirectory), stack)}
if [ -e ${hostStampPath(stampName)} ]; then
  { echo ${hashText(text)}; tail -n +2 ${hostStampPath(stampName)}; } >stamp
  mv -f stamp ${hostStampPath(stampName)}
fi`,
        `stack ${stack} has it too`,
      );
      const file = { path, content: { text }, ...rootFile };
      return { ...change, steps: [putStep(file, { isOwned: true }), ...change.steps] };
    }
    return removeByScript(
      owned,
      `remove ${path} (live values stay until the next boot)`,
      sh`${restoreScript(path, context)}
rm -f ${[hostStampPath(stampName), stampPath(context.stackDirectory, stampName)]}`,
    );
  },
};

function findDrift(
  ours: readonly (readonly [string, string])[],
  refused: ReadonlyMap<string, string>,
  facts: Facts,
): string[] {
  return ours.flatMap(([key, value]) => {
    const live = facts.get(sysctlFacts, key);
    if (live === undefined || live === value || refused.get(sysctlPath(key)) === live) return [];
    return [`${key} is ${live}, should be ${value}`];
  });
}

/** Writes every value that can be written; the stamp's further lines say what the kernel answered otherwise. */
function applyScript(stamp: string, hash: string): Script {
  return sh`echo ${hash} >stamp
while IFS='=' read -r pattern value; do
  for key in $pattern; do
    if [ ! -e "$key" ]; then echo "this kernel has no $key"; continue; fi
    read -r now <"$key" || now=
    now=$(printf %s "$now" | tr -s '\\t ' ' ')
    [ "$now" = "$value" ] && continue
    (printf '%s\\n' "$value" >"$key") 2>/dev/null || true
    read -r now <"$key" || now=
    now=$(printf %s "$now" | tr -s '\\t ' ' ')
    if [ "$now" != "$value" ]; then
      echo "$key stays $now: this host does not let us change it"
      echo "$key=$now" >>stamp
    fi
  done
done <wanted
mv -f stamp ${stamp}`;
}
