import { bytesToHex } from "@noble/hashes/utils.js";

/** Takes secret values out of everything that is shown or logged. */
export interface Redactor {
  /**
   * Remembers a secret. Of texts with several lines (keys, env files) each long line counts too, of bytes all that a program may make
   * of them.
   */
  add(secret: string | Uint8Array): void;
  /** These stand in the manifest for everybody to read: a secret that is the same is none, and hiding it would hide everything. */
  spare(plain: ReadonlySet<string>): void;
  hide(text: string): string;
}

/** Shorter values would blacken half of every text, and are no secrets worth the name. */
const shortest = 4;
/** Shorter than this, a value is only hidden where it stands alone: "info" is no part of "information". */
const shortestPart = 12;
const mark = "[secret]";

export function createRedactor(): Redactor {
  const known = new Map<string, RegExp | string>();
  let spared: ReadonlySet<string> = new Set();
  let longestFirst: readonly (readonly [string, RegExp | string])[] | undefined;
  const remember = (text: string) => {
    if (text.length < shortest) return;
    longestFirst = undefined;
    // As it is, and as it stands within a JSON string.
    for (const form of [text, JSON.stringify(text).slice(1, -1)])
      known.set(form, form.length < shortestPart ? asWord(form) : form);
  };
  const rememberText = (secret: string) => {
    remember(secret);
    remember(secret.trim());
    const lines = secret.split("\n");
    if (lines.length === 1) return;
    for (const line of lines) {
      const isBorder = line.startsWith("-----");
      if (line.trim().length >= 16 && !isBorder) remember(line.trim());
    }
  };
  return {
    add(secret) {
      if (typeof secret === "string") return rememberText(secret);
      rememberText(new TextDecoder().decode(secret));
      remember(bytesToHex(secret));
      remember(btoa(Array.from(secret, (byte) => String.fromCodePoint(byte)).join("")));
    },
    spare(plain) {
      spared = plain;
    },
    hide(text) {
      let hidden = text;
      longestFirst ??= [...known].sort(([left], [right]) => right.length - left.length);
      for (const [secret, pattern] of longestFirst)
        if (!spared.has(secret)) hidden = hidden.replaceAll(pattern, mark);
      return hidden;
    },
  };
}

function asWord(text: string): RegExp {
  const before = /^\w/.test(text) ? "(?<!\\w)" : "";
  const after = /\w$/.test(text) ? "(?!\\w)" : "";
  return new RegExp(
    `${before}${text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)}${after}`,
    "g",
  );
}
