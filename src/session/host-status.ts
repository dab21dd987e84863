import { archiveFacts, describeArchiveFailure } from "../facts/backups/archive.ts";
import type { ArchiveFact } from "../facts/backups/archive.ts";
import { backupFacts } from "../facts/backups/backup.ts";
import type { BackupReport } from "../facts/backups/backup.ts";
import { drillFacts } from "../facts/backups/drill.ts";
import { expiredFacts } from "../facts/backups/expired.ts";
import { exportedKeyFacts, keySubject } from "../facts/backups/keys.ts";
import { listCurrent, releaseFacts } from "../facts/containers/releases.ts";
import { certificateFacts } from "../facts/proxy/certificates.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/files/file.ts";
import { lockFacts } from "../facts/lock.ts";
import { postgresFacts } from "../facts/postgres/postgres.ts";
import { readWaitingRestore, restoreStatePath } from "../facts/postgres/restore.ts";
import { systemFacts, systemSubject } from "../facts/system/system.ts";
import { targetFacts } from "../facts/units/target.ts";
import { restartFacts, restartsSubject } from "../facts/units/unit.ts";
import type { RunSummary } from "../host/run.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { containersOf } from "../manifest/services.ts";
import { statePath } from "../plan/state.ts";
import { formatBytes } from "../report/bytes.ts";
import { formatSeconds, formatTime } from "../report/duration.ts";
import type { HostStatus } from "../report/status.ts";
import { growingNeeds, listGrowing } from "../stack/backups/growing.ts";
import { listHostKeys } from "../stack/backups/keys.ts";
import type { HostKey } from "../stack/backups/keys.ts";
import { judgeDrills } from "../stack/backups/proofs.ts";
import { stackDirectoryOf, targetOf } from "../stack/names.ts";

/**
 * What `status` and the end of a provision ask a host.
 * @param certificates what the proxy presents: a TLS handshake for each site
 * @param alone also what the facts of a plan tell, and what a provision with nothing to change does not tell: restarts, memory, when timers
 * fire next
 */
export function statusNeeds(
  manifest: Manifest,
  { certificates, alone }: { readonly certificates: boolean; readonly alone: boolean },
): FactNeed[] {
  const directory = stackDirectoryOf(manifest.stack);
  return [
    need(systemFacts, systemSubject),
    need(lockFacts, directory),
    need(fileFacts, statePath(directory)),
    need(targetFacts, targetOf(manifest.stack)),
    ...(containersOf(manifest).length === 0 ? [] : [need(releaseFacts, manifest.stack)]),
    ...(alone ? [need(restartFacts, restartsSubject)] : []),
    ...(manifest.backups === undefined
      ? []
      : [
          need(backupFacts, manifest.stack),
          need(textFacts, restoreStatePath(manifest.stack)),
          need(drillFacts, manifest.stack),
          ...growingNeeds(manifest),
          ...offsiteKeys(manifest).map(({ path }) =>
            need(exportedKeyFacts, keySubject(manifest.stack, path)),
          ),
          ...(alone ? [need(archiveFacts, manifest.stack)] : []),
        ]),
    ...(certificates ? (manifest.proxy?.sites ?? []) : []).map((site) =>
      need(certificateFacts, site.name),
    ),
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
  const restore = readWaitingRestore(facts.get(textFacts, restoreStatePath(manifest.stack)));
  const archive = facts.get(archiveFacts, manifest.stack);
  return {
    host,
    connection,
    system: facts.get(systemFacts, systemSubject)?.prettyName ?? "",
    isProvisioned: facts.get(fileFacts, statePath(directory)) !== undefined,
    sites: readSites(manifest, facts),
    backups: readBackups(manifest, facts),
    ...(archive?.exposed === undefined ? {} : { exposed: archive.exposed }),
    loneKeys: offsiteKeys(manifest)
      .filter(({ path }) => facts.get(exportedKeyFacts, keySubject(manifest.stack, path)) === false)
      .map(({ repository }) => repository),
    growing: facts.wasAsked(expiredFacts) ? listGrowing(manifest, facts) : [],
    proofs: facts.wasAsked(drillFacts)
      ? judgeDrills(
          manifest,
          facts.get(drillFacts, manifest.stack),
          facts.get(systemFacts, systemSubject)?.time ?? 0,
        )
      : [],
    members: facts.get(targetFacts, targetOf(manifest.stack)) ?? [],
    releases: listCurrent(facts.get(releaseFacts, manifest.stack)),
    ...(restore === undefined ? {} : { restore }),
    ...(lockedBy === undefined ? {} : { lockedBy }),
    ...(lastRun === undefined ? {} : { lastRun: describeRun(lastRun) }),
  };
}

function readBackups(manifest: Manifest, facts: Facts): HostStatus["backups"] {
  const archive = facts.get(archiveFacts, manifest.stack);
  const failure =
    archive?.failure === undefined
      ? archiveFailureIn(manifest, facts)
      : describeArchiveFailure(archive.failure, describePile(archive.pile));
  return [
    ...Object.values(facts.get(backupFacts, manifest.stack)?.latest ?? {}),
    ...(failure === undefined ? [] : [failure]),
  ];
}

/** When the disk will be full, at the rate of until now; nothing is known before some of it waits. */
function describePile(pile: ArchiveFact["pile"]): string | undefined {
  if (pile === undefined) return undefined;
  const { bytes, seconds, free } = pile;
  const full =
    bytes === 0 || seconds === 0
      ? ""
      : `, at this rate for ${formatSeconds((free / bytes) * seconds)}`;
  return `${formatBytes(bytes)} wait, ${formatBytes(free)} are free${full}; without room PostgreSQL stops, loses nothing of what is committed, and starts again when there is some`;
}

function readSites(manifest: Manifest, facts: Facts): HostStatus["sites"] {
  return (manifest.proxy?.sites ?? []).map((site) => {
    const certificate = facts.get(certificateFacts, site.name);
    if (certificate !== undefined) return { site, certificate };
    return { site, ...(facts.wasAsked(certificateFacts) ? {} : { isCertificateUnknown: true }) };
  });
}

/** Keys that were made on the host, of what outlives it. */
function offsiteKeys(manifest: Manifest): HostKey[] {
  return listHostKeys(manifest).filter(({ isOffsite }) => isOffsite);
}

/** `2026-11-21 01:02 UTC ok in 3 min, 12 changes, by ann@laptop since …` */
function describeRun({ manifest, state, startedAt, endedAt }: RunSummary): string {
  const took = endedAt === undefined ? "" : ` in ${formatSeconds(endedAt - startedAt)}`;
  const count = manifest.changes.length;
  return `${formatTime(startedAt)} UTC ${state}${took}, ${count} change${count === 1 ? "" : "s"}, by ${manifest.holder}`;
}

function archiveFailureIn(manifest: Manifest, facts: Facts): BackupReport | undefined {
  if (manifest.backups?.postgres === undefined) return undefined;
  for (const { archiveFailure } of facts.all(postgresFacts).values()) {
    if (archiveFailure) return describeArchiveFailure(archiveFailure);
  }
  return undefined;
}
