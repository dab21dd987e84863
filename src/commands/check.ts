import { exitCodes } from "../errors.ts";
import { findGrowing } from "../local/expiry-record.ts";
import { checkMigrations, readLocalFiles } from "../local/inputs.ts";
import { invalidManifest, readManifest } from "../local/manifest.ts";
import { readSecrets } from "../local/secrets/read-secrets.ts";
import { formatProblem } from "../manifest/parse.ts";
import type { Problem } from "../manifest/parse.ts";
import type { Verb } from "./line/verb.ts";

/** Everything that can be found wrong without a host. Secrets may be kept elsewhere, so a missing one only warns. */
export const runCheck: Verb = async (context) => {
  const { environment, workingDirectory } = context.terminal;
  const file = context.options.file ?? "hostkit.yaml";
  const loaded = await readManifest(file, workingDirectory);
  const { manifest = loaded.parsed.draft } = loaded.parsed;
  const problems: Problem[] = [...loaded.parsed.problems];
  if (manifest !== undefined) {
    const files = await readLocalFiles(loaded, manifest, {
      home: environment["HOME"],
      now: Date.now(),
    });
    const secrets = await readSecrets(loaded, manifest, environment);
    problems.push(...files.problems, ...checkMigrations(loaded, manifest, files));
    problems.push(
      ...secrets.problems.map((problem) => ({ ...problem, severity: "warning" as const })),
    );
    problems.push(...(await findGrowing(loaded, manifest, environment, Date.now() / 1000)));
    problems.sort((left, right) => left.line - right.line || left.column - right.column);
  }
  const isRight = problems.every((problem) => problem.severity === "warning");
  if (context.options.json === true) {
    context.print(JSON.stringify({ file, ok: isRight, problems }, undefined, 2));
    return isRight ? exitCodes.ok : exitCodes.manifest;
  }
  if (!isRight) throw invalidManifest(loaded, problems);
  for (const problem of problems) context.note(formatProblem(problem));
  const parts = [
    count(manifest?.hosts.length, "host"),
    count(manifest?.database?.databases.length, "database"),
    count(manifest?.services.length, "service"),
    count(manifest?.web.length, "web service"),
    count(manifest?.proxy?.sites.length, "site"),
  ].filter((part) => part !== undefined);
  context.print(
    `${context.colors.green("✓")} ${file}: stack ${manifest?.stack} with ${parts.join(", ")}`,
  );
  return exitCodes.ok;
};

function count(number: number | undefined, noun: string): string | undefined {
  if (number === undefined || number === 0) return undefined;
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
