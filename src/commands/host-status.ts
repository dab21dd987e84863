import { archiveFacts, backupFacts } from "../facts/backup.ts";
import { certificateFacts } from "../facts/certificates.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { need } from "../facts/fact.ts";
import { fileFacts } from "../facts/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { systemFacts, systemSubject } from "../facts/system.ts";
import { targetFacts } from "../facts/target.ts";
import type { RunSummary } from "../host/run.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { statePath } from "../plan/state.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import type { HostStatus } from "../report/status.ts";
import { stackDirectoryOf, targetOf } from "../stack/names.ts";

/** What `status` and the end of a provision ask a host. */
export function statusNeeds(manifest: Manifest): FactNeed[] {
  const directory = stackDirectoryOf(manifest.stack);
  return [
    need(systemFacts, systemSubject),
    need(lockFacts, directory),
    need(fileFacts, statePath(directory)),
    need(targetFacts, targetOf(manifest.stack)),
    ...(manifest.backups === undefined
      ? []
      : [need(backupFacts, manifest.stack), need(archiveFacts, manifest.stack)]),
    ...(manifest.proxy?.sites ?? []).map((site) => need(certificateFacts, site.name)),
  ];
}

/** The status of a host from the facts of `statusNeeds`. */
export function readStatus(
  manifest: Manifest,
  host: string,
  connection: string,
  facts: Facts,
  lastRun?: RunSummary,
): HostStatus {
  const directory = stackDirectoryOf(manifest.stack);
  const lockedBy = facts.get(lockFacts, directory);
  const archive = facts.get(archiveFacts, manifest.stack);
  return {
    host,
    connection,
    system: facts.get(systemFacts, systemSubject)?.prettyName ?? "",
    isProvisioned: facts.get(fileFacts, statePath(directory)) !== undefined,
    sites: (manifest.proxy?.sites ?? []).map((site) => {
      const certificate = facts.get(certificateFacts, site.name);
      return { site, ...(certificate === undefined ? {} : { certificate }) };
    }),
    backups: [
      ...Object.values(facts.get(backupFacts, manifest.stack)?.latest ?? {}),
      ...(archive === undefined ? [] : [archive]),
    ],
    members: facts.get(targetFacts, targetOf(manifest.stack)) ?? [],
    ...(lockedBy === undefined ? {} : { lockedBy }),
    ...(lastRun === undefined ? {} : { lastRun: describeRun(lastRun) }),
  };
}

/** `2026-11-21 01:02 UTC ok in 3 min, 12 changes, by ann@laptop since …` */
function describeRun({ manifest, state, startedAt, endedAt }: RunSummary): string {
  const took = endedAt === undefined ? "" : ` in ${formatSeconds(endedAt - startedAt)}`;
  const count = manifest.changes.length;
  return `${formatTime(startedAt)} UTC ${state}${took}, ${count} change${count === 1 ? "" : "s"}, by ${manifest.holder}`;
}
