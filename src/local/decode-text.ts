/** Bytes as text, or why they are none. */
export type DecodedText =
  | { readonly text: string }
  | {
      /** As far as it can be read; for comparing with what was made of it before, never for use. */
      readonly lossy: string;
      readonly line: number;
      /** One sentence without its end: where, and what it looks like. */
      readonly why: string;
    };

/**
 * UTF-8, strictly: the one place where bytes of this machine become text. A byte order mark stays in the text.
 * @param mayHoldNul NUL is no character of any text that a host's programs read
 */
export function decodeText(bytes: Uint8Array, mayHoldNul = false): DecodedText {
  const lossy = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const wide = explainWide(bytes);
  if (wide !== undefined) return { lossy, line: 1, why: wide };
  const at = findInvalid(bytes);
  if (at !== undefined) {
    const shown = (bytes[at] ?? 0).toString(16).padStart(2, "0");
    return {
      lossy,
      line: lineAt(bytes, at),
      why: `not UTF-8 text: byte ${at + 1} is ${shown}${explainNarrow(bytes, at)}`,
    };
  }
  const nul = mayHoldNul ? -1 : bytes.indexOf(0);
  if (nul >= 0)
    return { lossy, line: lineAt(bytes, nul), why: `not text: byte ${nul + 1} is 00 (NUL)` };
  return { text: lossy };
}

/**
 * Text of a file that hostkit reads itself, without a byte order mark.
 * @throws Error with `why` where it is none; `explainFileError` shows it as it is
 */
export function requireText(bytes: Uint8Array): string {
  const decoded = decodeText(bytes);
  if ("text" in decoded) return decoded.text.replace(/^\uFEFF/, "");
  throw new Error(`it is ${decoded.why}`);
}

function lineAt(bytes: Uint8Array, at: number): number {
  return bytes.subarray(0, at).reduce((lines, byte) => (byte === 10 ? lines + 1 : lines), 1);
}

/** UTF-16 and UTF-32 begin with a mark, or have a NUL beside every ASCII letter. */
function explainWide(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes;
  const has = (parity: number) =>
    bytes.length >= 4 &&
    bytes.length % 2 === 0 &&
    bytes.subarray(0, 64).every((byte, at) => (at % 2 === parity ? byte === 0 : byte !== 0));
  const order =
    (first === 0xff && second === 0xfe) || has(1)
      ? "little endian"
      : (first === 0xfe && second === 0xff) || has(0)
        ? "big endian"
        : undefined;
  if (order === undefined || bytes.length < 4) return undefined;
  const isBig = order === "big endian";
  return `UTF-16 (${order}), not UTF-8: \`iconv -f UTF-16${isBig ? "BE" : "LE"} -t UTF-8\` makes it so`;
}

/** The first byte that cannot stand where it stands: the longest beginning that decodes ends there. */
function findInvalid(bytes: Uint8Array): number | undefined {
  const decodes = (end: number) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    let good = 0;
    let bad = bytes.length + 1;
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if (middle <= bytes.length && decodes(middle)) good = middle;
      else bad = middle;
    }
    // A sequence that was begun is as wrong as the byte that breaks it.
    let at = Math.min(good, bytes.length - 1);
    while (
      at > 0 &&
      good - at < 3 &&
      (bytes[at] ?? 0) >= 0x80 &&
      ((bytes[at - 1] ?? 0) & 0xc0) === 0xc0
    )
      at -= 1;
    return at;
  }
}

function explainNarrow(bytes: Uint8Array, at: number): string {
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) return "; it looks like DER, PEM is wanted";
  const others = bytes.filter((byte) => byte >= 0x80);
  const isLatin = others.every((byte) => byte >= 0xa0);
  const isWindows = others.every(
    (byte) => byte >= 0x80 && ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte),
  );
  const isMostlyText = bytes.every((byte) => byte >= 9);
  if (!isMostlyText || others.length > bytes.length / 3 || at < 0) return "";
  if (isLatin) return "; it looks like Latin-1: `iconv -f ISO-8859-1 -t UTF-8` makes it so";
  return isWindows
    ? "; it looks like Windows-1252: `iconv -f WINDOWS-1252 -t UTF-8` makes it so"
    : "";
}
