/**
 * Every failure a user can meet is a HostkitError: what happened, where, why, what to do next.
 * Exit codes are part of the interface (docs/exit-codes.md).
 */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** `plan` found changes, `update --check` something newer (and nothing else is wrong). */
  changes: 2,
  usage: 64,
  manifest: 65,
  unreachable: 69,
  internal: 70,
  unsupported: 71,
  locked: 75,
  authentication: 77,
  proof: 78,
  reverted: 79,
  /** `exec` and `run`: hostkit's own failure, told apart from a status of the command. */
  notBegun: 125,
  interrupted: 130,
} as const;

export type ErrorCode =
  | "usage"
  | "manifest_invalid"
  | "file_missing"
  | "host_unreachable"
  | "host_key_unknown"
  | "host_key_changed"
  | "authentication_failed"
  | "sudo_failed"
  | "os_unsupported"
  | "disk_full"
  | "registry_refused"
  | "registry_unreachable"
  | "registry_limited"
  | "image_missing"
  | "image_unfit"
  | "port_taken"
  | "firewall_taken"
  | "packages_blocked"
  | "run_locked"
  | "run_failed"
  | "run_interrupted"
  | "run_reverted"
  | "proof_failed"
  | "plan_stale"
  | "lab_unavailable"
  | "local_command_failed"
  | "internal";

const exitCodeOf: Record<ErrorCode, number> = {
  usage: exitCodes.usage,
  manifest_invalid: exitCodes.manifest,
  file_missing: exitCodes.manifest,
  host_unreachable: exitCodes.unreachable,
  host_key_unknown: exitCodes.authentication,
  host_key_changed: exitCodes.authentication,
  authentication_failed: exitCodes.authentication,
  sudo_failed: exitCodes.authentication,
  os_unsupported: exitCodes.unsupported,
  disk_full: exitCodes.failed,
  registry_refused: exitCodes.authentication,
  registry_unreachable: exitCodes.unreachable,
  registry_limited: exitCodes.locked,
  image_missing: exitCodes.manifest,
  image_unfit: exitCodes.unsupported,
  port_taken: exitCodes.failed,
  firewall_taken: exitCodes.failed,
  packages_blocked: exitCodes.failed,
  run_locked: exitCodes.locked,
  run_failed: exitCodes.failed,
  run_interrupted: exitCodes.interrupted,
  run_reverted: exitCodes.reverted,
  proof_failed: exitCodes.proof,
  plan_stale: exitCodes.failed,
  lab_unavailable: exitCodes.unsupported,
  local_command_failed: exitCodes.failed,
  internal: exitCodes.internal,
};

export interface ErrorParts {
  /** One line, no trailing period: what happened. */
  readonly what: string;
  /** `file:line:column`, or host and step. */
  readonly where?: string;
  readonly why?: string;
  /** What to do next; paste-ready where it is a command. */
  readonly next?: string;
  /** Lines shown as they are (last log lines, a list of problems). */
  readonly details?: readonly string[];
}

export class HostkitError extends Error {
  override readonly name = "HostkitError";
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly parts: ErrorParts;

  constructor(code: ErrorCode, parts: ErrorParts, options?: { cause?: unknown }) {
    super(parts.what, options);
    this.code = code;
    this.exitCode = exitCodeOf[code];
    this.parts = parts;
  }
}

/** Renders an error for a terminal: plain text, no colour, no trailing newline. */
export function formatError(error: HostkitError): string {
  const { what, where, why, next, details } = error.parts;
  const lines = [`error: ${what} [${error.code}]`];
  if (where !== undefined) lines.push(`  where: ${where}`);
  if (why !== undefined) lines.push(`  why:   ${why}`);
  for (const line of details ?? []) lines.push(`  | ${line}`);
  if (next !== undefined) lines.push(`  next:  ${next}`);
  return lines.join("\n");
}
