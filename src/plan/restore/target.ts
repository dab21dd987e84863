import type { RestorePoint } from "../../facts/postgres/restore-points.ts";
import { formatUtc, parseMoment } from "./moment.ts";
import type { MomentContext } from "./moment.ts";

/** What a cluster is to go back to. */
export type RestoreTarget =
  | { readonly kind: "time"; readonly milliseconds: number }
  /** All that was archived. */
  | { readonly kind: "latest" }
  /** The end of the newest backup. */
  | { readonly kind: "immediate" }
  | { readonly kind: "lsn" | "xid"; readonly value: string }
  | {
      readonly kind: "name";
      readonly value: string;
      /** Where it is, if a run of hostkit made it. */
      readonly point?: RestorePoint;
    };

type Parsed =
  | { readonly target: RestoreTarget }
  | { readonly wrong: string; readonly next?: string };

/** The value of `--to`: `latest`, `immediate`, `lsn:0/5000000`, `xid:1234`, `name:before-migration`, or a moment. */
export function parseTarget(text: string, context: MomentContext): Parsed {
  const trimmed = text.trim();
  if (/^(?:latest|newest)$/i.test(trimmed)) return { target: { kind: "latest" } };
  if (/^immediate$/i.test(trimmed)) return { target: { kind: "immediate" } };
  const [, kind, value = ""] = /^(lsn|xid|name):(.*)$/s.exec(trimmed) ?? [];
  if (kind === undefined) {
    const moment = parseMoment(trimmed, context);
    if ("wrong" in moment) return moment;
    const { milliseconds } = moment;
    if (milliseconds > context.now)
      return {
        wrong: `${formatUtc(milliseconds)} UTC is in the future`,
        next: `it is ${formatUtc(context.now)} UTC on the host`,
      };
    return { target: { kind: "time", milliseconds } };
  }
  const form = {
    lsn: { pattern: /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i, example: "lsn:0/5000060" },
    xid: { pattern: /^\d{1,19}$/, example: "xid:7312" },
    // recovery_target_name: MAXFNAMELEN - 1, src/include/access/xlog_internal.h
    name: { pattern: /^[^\p{Cc}]{1,63}$/u, example: "name:before-migration" },
  }[kind as "lsn" | "xid" | "name"];
  if (!form.pattern.test(value))
    return { wrong: `${JSON.stringify(value)} is no ${kind}`, next: `write it as ${form.example}` };
  return { target: { kind: kind as "lsn" | "xid" | "name", value } };
}

/** A target in words: `2026-11-27 20:00:00 UTC`, `the newest that was archived`. */
export function describeTarget(target: RestoreTarget): string {
  switch (target.kind) {
    case "time":
      return `${formatUtc(target.milliseconds)} UTC`;
    case "latest":
      return "the newest that is archived";
    case "immediate":
      return "the end of the newest backup";
    case "lsn":
    case "xid":
      return `${target.kind} ${target.value}`;
    case "name":
      return `the restore point ${target.value}${target.point === undefined ? "" : ` (${formatUtc(Math.floor(target.point.time) * 1000)} UTC)`}`;
  }
}
