import type { CertificateFact } from "../facts/proxy/certificates.ts";
import type { BackupReport } from "../facts/backups/backup.ts";
import type { ReleaseRecord } from "../facts/containers/releases.ts";
import type { TargetMember } from "../facts/units/target.ts";
import type { Site } from "../manifest/manifest.ts";
import type { Colors } from "./colors.ts";
import { formatBytes } from "./bytes.ts";
import { plainText, widthOf } from "./terminal-text.ts";
import { findCause } from "../plan/log-cause.ts";
import type { Growing } from "../stack/backups/growing.ts";
import type { Proof } from "../stack/backups/proofs.ts";
import { isProofSick, nameDrill, proofRow } from "./drills.ts";
import { formatSeconds, formatTime } from "./duration.ts";
import { describeGrowing } from "./growing.ts";

/** What runs on one host, and how it is. */
export interface HostStatus {
  readonly host: string;
  /** `root@dx1.example.org:22` */
  readonly connection: string;
  readonly system: string;
  /** False where the stack was never provisioned. */
  readonly isProvisioned: boolean;
  readonly sites: readonly {
    readonly site: Site;
    readonly certificate?: CertificateFact;
    /** Nobody looked for one. */
    readonly isCertificateUnknown?: boolean;
  }[];
  readonly members: readonly TargetMember[];
  /** What serves, and what was tried after it. */
  readonly releases: readonly ReleaseRecord[];
  /** How each backup went last. */
  readonly backups: readonly BackupReport[];
  /** What a restore that is not settled waits for. */
  readonly restore?: string;
  /** Seconds of changes of the database that would be lost with the host now, at most. */
  readonly exposed?: number;
  /** Whether the backups were brought back, by repository. */
  readonly proofs: readonly Proof[];
  /** Offsite repositories whose key stands on this host and nowhere else. */
  readonly loneKeys: readonly string[];
  /** Append-only repositories that nothing was removed from for long. */
  readonly growing: readonly Growing[];
  /** Whoever runs on this stack now. */
  readonly lockedBy?: string;
  /** The newest run, in one line. */
  readonly lastRun?: string;
}

/** A service that runs, a timer that waits, a one-shot that went well. */
export function isHealthy({ activeState, type, result }: TargetMember): boolean {
  if (activeState === "active" || activeState === "reloading") return true;
  return type === "oneshot" && activeState === "inactive" && result === "success";
}

/** Names of the units that should run and do not, of backups that failed last time, and of drills that failed or are overdue. */
export function findSick({ members, backups, proofs }: HostStatus): string[] {
  return [
    ...members.filter((member) => !isHealthy(member)).map(({ unit }) => unit),
    ...backups.filter(({ result }) => result !== "success").map(({ job }) => `backup ${job}`),
    ...proofs.filter(isProofSick).map(nameDrill),
  ];
}

function renderTimers(timers: readonly TargetMember[], now: number, colors: Colors): string[] {
  const sick = timers.filter((timer) => !isHealthy(timer));
  const waiting = timers
    .filter(isHealthy)
    .sort((left, right) => (left.nextElapse ?? 0) - (right.nextElapse ?? 0));
  return table([
    ...sick.map((timer) => [colors.red("✗"), timer.unit, colors.red(timer.activeState)]),
    ...waiting.map((timer) => [
      ...[colors.dim("⏲"), timer.unit, nextOf(timer, now)],
      colors.dim(timer.description),
    ]),
  ]);
}

/**
 * What runs where, for a terminal: sites with their certificates, units, timers. No trailing newline.
 * @param now seconds since the epoch, on the host's clock
 */
export function renderStatus(status: HostStatus, now: number, colors: Colors): string {
  const lines = [
    `${colors.bold(status.host)}  ${colors.dim(`${status.connection}, ${status.system}`)}`,
  ];
  if (!status.isProvisioned) {
    lines.push(`  not provisioned yet: ${colors.bold("hostkit provision")}`);
    return lines.join("\n");
  }
  lines.push(...renderSites(status.sites, now, colors));
  const timers = status.members.filter(({ unit }) => unit.endsWith(".timer"));
  // That the target is reached goes without saying.
  const others = status.members.filter(
    (member) =>
      !member.unit.endsWith(".timer") && !(member.unit.endsWith(".target") && isHealthy(member)),
  );
  lines.push(...table(others.map((member) => unitRow(member, now, colors))));
  lines.push(...table(status.releases.map((release) => releaseRow(release, colors))));
  lines.push(...renderTimers(timers, now, colors));
  lines.push(...table(status.backups.map((report) => backupRow(report, now, colors))));
  if (status.restore !== undefined)
    lines.push(`  ${colors.yellow("!")}  ${plainText(status.restore)}`);
  if (status.exposed !== undefined) lines.push(exposedLine(status.exposed, colors));
  lines.push(...table(status.proofs.map((proof) => proofRow(proof, now, colors))));
  for (const repository of new Set(status.loneKeys))
    lines.push(
      `  ${colors.yellow(`!  the only copy of the key of ${repository} is on this host`)}: hostkit backup key export`,
    );
  for (const one of status.growing)
    lines.push(
      `  ${colors.yellow(`!  ${describeGrowing(one, now)}`)}: hostkit backup expire ${one.repository}`,
    );
  if (status.lockedBy !== undefined)
    lines.push(`  ${colors.yellow("a run is going on:")} ${status.lockedBy}`);
  if (status.lastRun !== undefined) lines.push(`  ${colors.dim(`last run: ${status.lastRun}`)}`);
  return lines.join("\n");
}

/** The stable JSON form. */
export function describeStatus(status: HostStatus): Record<string, unknown> {
  return {
    host: status.host,
    connection: status.connection,
    system: status.system,
    provisioned: status.isProvisioned,
    healthy: status.isProvisioned && findSick(status).length === 0,
    sites: status.sites.map(({ site, certificate }) => ({
      url: urlOf(site),
      routes: site.routes,
      ...(certificate === undefined
        ? {}
        : {
            certificate: {
              notAfter: new Date(certificate.notAfter * 1000).toISOString(),
              issuer: certificate.issuer,
            },
          }),
    })),
    backups: status.backups,
    drills: status.proofs,
    loneKeys: status.loneKeys,
    growing: status.growing,
    ...(status.exposed === undefined ? {} : { exposedSeconds: status.exposed }),
    releases: status.releases,
    units: status.members.map((member) => ({ ...member, healthy: isHealthy(member) })),
    ...(status.restore === undefined ? {} : { restore: status.restore }),
    ...(status.lockedBy === undefined ? {} : { lockedBy: status.lockedBy }),
    ...(status.lastRun === undefined ? {} : { lastRun: status.lastRun }),
  };
}

/** `https://dx.example.org/`; an IPv6 address in brackets. */
function urlOf({ name }: Site): string {
  return `https://${name.includes(":") ? `[${name}]` : name}/`;
}

function renderSites(sites: HostStatus["sites"], now: number, colors: Colors): string[] {
  return table(
    sites.map(({ site, certificate, isCertificateUnknown }) => {
      const to = [...new Set(site.routes.map((route) => route.to))].join(", ");
      const target = site.redirect === undefined ? to : `to ${site.redirect}`;
      return [
        colors.cyan("↗"),
        colors.underline(urlOf(site)),
        target,
        isCertificateUnknown === true ? "" : certificateText(certificate, now, colors),
      ];
    }),
  );
}

function certificateText(
  certificate: CertificateFact | undefined,
  now: number,
  colors: Colors,
): string {
  if (certificate === undefined) return colors.yellow("no certificate yet");
  const left = certificate.notAfter - now;
  const text = `certificate until ${formatTime(certificate.notAfter)} UTC`;
  return left < 0 ? colors.red(`${text} (expired)`) : colors.dim(text);
}

function unitRow(member: TargetMember, now: number, colors: Colors): string[] {
  const fine = isHealthy(member);
  const state = `${member.activeState}${member.subState === member.activeState || member.subState === "running" ? "" : ` (${member.subState})`}`;
  const since =
    member.activeSince > 0
      ? `for ${formatSeconds(Math.max(0, Math.round(now - member.activeSince)))}`
      : "";
  const { restarts = 0, memory = 0 } = member;
  return [
    fine ? colors.green("●") : colors.red("✗"),
    member.unit,
    fine
      ? state
      : colors.red(["success", ""].includes(member.result) ? state : `${state}: ${member.result}`),
    colors.dim(since),
    memory > 0 ? colors.dim(`${Math.max(1, Math.round(memory / 1024 / 1024))} MiB`) : "",
    restarts > 0 ? colors.yellow(`${restarts} restart${restarts === 1 ? "" : "s"}`) : "",
  ];
}

function releaseRow(record: ReleaseRecord, colors: Colors): string[] {
  const { service, state, image, since, by } = record;
  return [
    state === "serving" ? colors.cyan("◆") : colors.yellow("!"),
    service,
    state === "serving" ? shortenImage(image) : colors.yellow(`a later release ${fateOf(state)}`),
    colors.dim(
      `${state === "serving" ? "since " : ""}${formatTime(since)} UTC${by === undefined ? "" : `, by ${plainText(by)}`}`,
    ),
  ];
}

function fateOf(state: ReleaseRecord["state"]): string {
  if (state === "withdrawn") return "was taken back";
  return state === "failed" ? "failed" : "was begun";
}

/** An image's reference for a person: a digest is known by its beginning. */
export function shortenImage(image: string): string {
  return plainText(image.replace(/(@sha256:[0-9a-f]{12})[0-9a-f]+$/, "$1…"));
}

function backupRow(
  { job, result, started, finished, bytes, message, pauses }: BackupReport,
  now: number,
  colors: Colors,
): string[] {
  const isFine = result === "success";
  const size = bytes === undefined ? "" : `, ${formatBytes(bytes)} new`;
  return [
    isFine ? colors.green("✓") : colors.red("✗"),
    `backup ${job}`,
    isFine
      ? `made ${formatSeconds(now - finished)} ago`
      : colors.red(`failed ${formatSeconds(now - finished)} ago`),
    colors.dim(
      isFine
        ? `in ${formatSeconds(finished - started)}${size}${describePauses(pauses)}`
        : plainText(findCause(message) ?? message.split("\n").at(-1) ?? ""),
    ),
  ];
}

function describePauses(pauses: BackupReport["pauses"] = {}): string {
  return Object.entries(pauses)
    .map(
      ([volumes, seconds]) => `, what writes to ${plainText(volumes)} stood still for ${seconds} s`,
    )
    .join("");
}

function exposedLine(seconds: number, colors: Colors): string {
  const text =
    seconds === 0
      ? "every change of the database is in a repository"
      : `lost with this host now: changes of the last ${formatSeconds(seconds)} at most`;
  return `  ${seconds > 900 ? colors.red(`✗  ${text}`) : colors.dim(`·  ${text}`)}`;
}

function nextOf({ nextElapse = 0 }: TargetMember, now: number): string {
  if (nextElapse === 0) return "waits";
  return `next ${formatTime(nextElapse)} UTC, in ${formatSeconds(nextElapse - now)}`;
}

/** Rows with aligned columns, indented; colour codes do not count as width. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row) =>
    `  ${row.map((cell, index) => cell + " ".repeat((widths[index] ?? 0) - widthOf(cell))).join("  ")}`.trimEnd(),
  );
}
