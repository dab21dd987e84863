import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

/** One thing on a host that a stack wants, and how it bears others beside it. */
export interface Claim {
  /** A resource's id, or `port:7300/tcp`, `site:dx.example.org`, `open:443/tcp`. */
  readonly thing: string;
  /**
   * alone: nobody else may want it. same: others may, as long as they want the same. together: each adds its part.
   */
  readonly mode: "alone" | "same" | "together";
  /** same: what it should be. together: this stack's part. */
  readonly value?: string;
  /** Nobody wrote it into the manifest: it gives way to what another stack's manifest says. */
  readonly isDefault?: true;
}

/** Another stack on the same host. */
export interface Neighbour {
  readonly stack: string;
  readonly claims: readonly Claim[];
  /** Provisioned by a hostkit that kept no claims: what it owns is known, what it shares is not. */
  readonly isOld?: true;
}

/** Where a stack says what it has on the host, for the others: one JSON object a line. */
export function claimsPath(stackDirectory: string): string {
  return `${stackDirectory}/shared.jsonl`;
}

/** The file's text; the same claims give the same bytes. */
export function renderClaims(claims: readonly Claim[]): string {
  const lines = claims.map((claim) => `${JSON.stringify(claim)}\n`);
  return [...new Set(lines)].sort().join("");
}

/** What a stack has written down. */
export function parseClaims(text: string): Claim[] {
  return text.split("\n").flatMap(parseClaim);
}

/** Folders of stacks (`/var/lib/hostkit/<stack>`): the other stacks on that host. */
export const neighbourFacts: FactSource<readonly Neighbour[]> = {
  name: "neighbours",
  // Where there is one stack, no program is started.
  script: ([own = ""]) => sh`for d in /var/lib/hostkit/*/; do
  d=\${d%/}
  [ "$d" != ${own} ] || continue
  if [ -s "$d/shared.jsonl" ]; then echo "stack \${d##*/}"; cat "$d/shared.jsonl"
  elif [ -s "$d/state.jsonl" ]; then echo "before \${d##*/}"; cat "$d/state.jsonl"; fi
done`,
  parse: (stdout, subjects) =>
    new Map(subjects.map((subject) => [subject, parseNeighbours(stdout)] as const)),
};

function parseNeighbours(stdout: string): Neighbour[] {
  return stdout.split(/^(?=(?:stack|before) [a-z0-9-]+$)/m).flatMap((part): Neighbour[] => {
    const [, word, stack] = /^(stack|before) ([a-z0-9-]+)\n/.exec(`${part}\n`) ?? [];
    if (stack === undefined) return [];
    const lines = part.split("\n").slice(1);
    return word === "stack"
      ? [{ stack, claims: lines.flatMap(parseClaim) }]
      : [{ stack, claims: readOwned(lines), isOld: true }];
  });
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function parseClaim(line: string): Claim[] {
  const entry = parseObject(line);
  const { thing, mode, value } = entry ?? {};
  if (typeof thing !== "string" || (mode !== "alone" && mode !== "same" && mode !== "together"))
    return [];
  return [
    {
      thing,
      mode,
      ...(typeof value === "string" ? { value } : {}),
      ...(entry?.["isDefault"] === true ? { isDefault: true as const } : {}),
    },
  ];
}

/** The state file of a stack without claims: the last line of an id counts. */
function readOwned(lines: readonly string[]): Claim[] {
  const owned = new Set<string>();
  for (const line of lines) {
    const { kind, name, gone } = parseObject(line) ?? {};
    if (typeof kind !== "string" || typeof name !== "string") continue;
    if (gone === true) owned.delete(`${kind}:${name}`);
    else owned.add(`${kind}:${name}`);
  }
  return [...owned].map((thing) => ({ thing, mode: "together" }));
}

/** Those that claim the thing, with their claim. */
export function othersWith(
  neighbours: readonly Neighbour[],
  thing: string,
): { readonly neighbour: Neighbour; readonly claim: Claim }[] {
  return neighbours.flatMap((neighbour) =>
    neighbour.claims
      .filter((claim) => claim.thing === thing)
      .map((claim) => ({ neighbour, claim })),
  );
}
