import { z } from "zod";
import { oneOffRecordsOf, oneOffUnitOf } from "../stack/services/one-off.ts";
import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";

const schema = z.object({
  id: z.string(),
  verb: z.enum(["exec", "run"]),
  service: z.string(),
  /** As they were given; absent: a shell. */
  words: z.array(z.string()).exactOptional(),
  /** Names of variables that were given on top; their values are nowhere written. */
  variables: z.array(z.string()).exactOptional(),
  by: z.string(),
  /** Whose copy. */
  container: z.string().exactOptional(),
  detached: z.boolean(),
});

/** What is written down of a one-off command before it begins. */
export type OneOffRecord = z.infer<typeof schema>;

const whole = schema.extend({
  /** Seconds since the epoch. */
  at: z.number(),
  ended: z.number().exactOptional(),
  code: z.number().exactOptional(),
  /** It was ended with its connection. */
  left: z.boolean().exactOptional(),
});

export interface OneOffSummary extends z.infer<typeof whole> {
  /** "lost": its host went down under it, or it never began. */
  readonly state: "running" | "ended" | "left" | "lost";
}

/** The one-off commands that the host remembers, oldest first. */
export async function listOneOffs(
  connection: Connection,
  stack: string,
  stackDirectory: string,
): Promise<OneOffSummary[]> {
  const { stdout } = await connection.exec(
    sh`cd ${oneOffRecordsOf(stackDirectory)} 2>/dev/null || exit 0
for f in *.jsonl; do
  [ -e "$f" ] || continue
  active=no
  if ! grep -q '^{"ended":' "$f"; then
    case $(systemctl show -p ActiveState --value ${oneOffUnitOf({ stack, id: "" }).replace(/\.service$/, "")}"\${f%.jsonl}".service) in active | activating | deactivating) active=yes ;; esac
  fi
  echo "one-off $active $(base64 -w0 <"$f")"
done`.text,
    { onRepeat: () => undefined },
  );
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("one-off "))
    .map(parseLine)
    .filter((one) => one !== undefined);
}

/** Each line of a record is an object; one that cannot be read (a power cut mid-write) is left out. */
function parseLine(line: string): OneOffSummary | undefined {
  const [, active, text = ""] = line.split(" ");
  let found: Record<string, unknown> = {};
  for (const each of Buffer.from(text, "base64").toString("utf8").split("\n")) {
    try {
      found = { ...found, ...(JSON.parse(each) as Record<string, unknown>) };
    } catch {
      continue;
    }
  }
  const read = whole.safeParse(found);
  if (!read.success) return undefined;
  const { code, left } = read.data;
  const ended = left === true ? "left" : "ended";
  return {
    ...read.data,
    state: code !== undefined ? ended : active === "yes" ? "running" : "lost",
  };
}
