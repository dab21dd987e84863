import type { Secret } from "../../manifest/manifest.ts";
import type { Problem } from "../../manifest/problems.ts";

export type SecretValue = string | Uint8Array;

/** Where on this machine a source may look. */
export interface Surroundings {
  /** The manifest's. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a source has for one secret: a value, none and how to give one ("it into …", behind "put"), or a reason why it is no good. */
export type Answer =
  | { readonly value: SecretValue }
  | { readonly missing: string }
  | { readonly problem: string };

/** What is wrong with a source itself; without a place in a file of its own it is the manifest's. */
export interface SourceProblem extends Pick<Problem, "severity" | "message"> {
  readonly file?: string;
  readonly line?: number;
}

export interface OpenSource {
  readonly problems: readonly SourceProblem[];
  read(secret: Secret): Promise<Answer>;
}

/**
 * One way in which the values of secrets come to hostkit: one file a driver, and nothing else asks which it is. A new one is a file here,
 * a line in `sources.ts` and a key in `manifest/sections/secrets.ts`. Nothing that it says holds a value.
 */
export interface SecretSource {
  /** Called once, and only where some secret is to be had from it. */
  open(surroundings: Surroundings): Promise<OpenSource>;
}
