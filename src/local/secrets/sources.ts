import type { Secret } from "../../manifest/manifest.ts";
import { dotenvSource } from "./dotenv.ts";
import { environmentSource } from "./environment.ts";
import { fileSource } from "./file.ts";
import type { Answer, OpenSource, SecretSource, SourceProblem, Surroundings } from "./source.ts";

/** Who is asked for a secret's value, one after the other until somebody has it. */
const sourcesOf: Readonly<Record<Secret["from"]["kind"], readonly SecretSource[]>> = {
  default: [environmentSource, dotenvSource],
  env: [environmentSource],
  file: [fileSource],
};

export interface ReadSources {
  readonly problems: readonly SourceProblem[];
  /** In the order of the secrets; a `missing` says all that can be done. */
  readonly answers: readonly (readonly [Secret, Answer])[];
}

/** Asks for every secret; each source is opened once, and only where it is needed. */
export async function readSources(
  secrets: readonly Secret[],
  surroundings: Surroundings,
): Promise<ReadSources> {
  const needed = new Set(secrets.flatMap(({ from }) => sourcesOf[from.kind]));
  const opened = new Map<SecretSource, OpenSource>();
  for (const source of needed) opened.set(source, await source.open(surroundings));
  const answers: (readonly [Secret, Answer])[] = [];
  for (const secret of secrets) {
    const sources = sourcesOf[secret.from.kind].flatMap((source) => opened.get(source) ?? []);
    answers.push([secret, await ask(secret, sources)]);
  }
  return { problems: [...opened.values()].flatMap(({ problems }) => problems), answers };
}

async function ask(secret: Secret, sources: readonly OpenSource[]): Promise<Answer> {
  const ways: string[] = [];
  for (const source of sources) {
    const answer = await source.read(secret);
    if (!("missing" in answer)) return answer;
    ways.push(answer.missing);
  }
  return { missing: ways.join(", or ") };
}
