/** What the free text of a spot tells: mode, report, grid squares, split. Pure; never throws. */

const namedModes: readonly (readonly [RegExp, string])[] = [
  [/\bFT-?8\b/i, "FT8"],
  [/\bFT-?4\b/i, "FT4"],
  [/\bFST4W?\b/i, "FST4"],
  [/\bMSK-?144\b/i, "MSK144"],
  [/\bQ65\w?\b/i, "Q65"],
  [/\bJT-?65\w?\b/i, "JT65"],
  [/\bJT-?9\b/i, "JT9"],
  [/\bJS8(?:CALL)?\b/i, "JS8"],
  [/\bWSPR\b/i, "WSPR"],
  [/\bRTTY\b/i, "RTTY"],
  [/\bB?PSK-?\d{0,3}\b/i, "PSK"],
  [/\bOLIVIA\b/i, "OLIVIA"],
  [/\bVARA\b/i, "VARA"],
  [/\bSSTV\b/i, "SSTV"],
  [/\bDMR\b/i, "DMR"],
  [/\bC4FM\b/i, "C4FM"],
  [/\b(?:SSB|USB|LSB|PHONE)\b/i, "SSB"],
  [/\bCW\b/i, "CW"],
  [/\bFM\b/i, "FM"],
  [/\bAM\b/, "AM"],
  // A skimmer's report that names no mode: words a minute are Morse, bits a second are RTTY.
  [/\b\d+ ?WPM\b/i, "CW"],
  [/\b\d+ ?BPS\b/i, "RTTY"],
  [/\b(?:DIGI|DATA)\b/i, "DIGI"],
];

export function modeInComment(comment: string): string | null {
  return namedModes.find(([pattern]) => pattern.test(comment))?.[1] ?? null;
}

/** `18 dB`, `-12dB`, `5NN`, `599`, `59`, `59+10`; as written, without spaces. */
export function reportInComment(comment: string): string | null {
  const decibel = /(?<![\d.])[+-]?\d{1,2} ?dB\b/i.exec(comment);
  if (decibel !== null) return decibel[0].replaceAll(" ", "");
  const tone = /(?<![\w.])(?:59\+\d{1,2}(?:dB)?|5NN|[3-5][1-9]9|5[1-9])(?![\w.])/i.exec(comment);
  return tone === null ? null : tone[0].toUpperCase();
}

const gridShape = "[A-R]{2}[0-9]{2}(?:[A-X]{2}(?:[0-9]{2})?)?";
const gridWord = new RegExp(`^${gridShape}$`, "i");

/** A Maidenhead locator of 4, 6 or 8 characters. `RR73` is "received, goodbye" and never a place. */
export function isGrid(word: string): boolean {
  return gridWord.test(word) && !/^(?:RR73|CQ\d\d)$/i.test(word);
}

function normalizeGrid(word: string): string {
  return word.slice(0, 4).toUpperCase() + word.slice(4).toLowerCase();
}

export interface Grids {
  readonly spotter: string | null;
  readonly dx: string | null;
}

/** `IO91<TR>JN45` names the spotter's square, then the DX station's; a lone square is the DX station's. */
export function gridsInComment(comment: string): Grids {
  const pair = new RegExp(`(?<!\\w)(${gridShape}) ?<[^<>]{0,12}> ?(${gridShape})(?!\\w)`, "i").exec(
    comment,
  );
  if (pair !== null)
    return { spotter: normalizeGrid(pair[1] ?? ""), dx: normalizeGrid(pair[2] ?? "") };
  const lone = comment.split(/[\s,;()<>/]+/).find(isGrid);
  return { spotter: null, dx: lone === undefined ? null : normalizeGrid(lone) };
}

export function gridOrNull(word: string): string | null {
  return isGrid(word) ? normalizeGrid(word) : null;
}

/** Where the DX station listens, in the words radio amateurs use: `UP 5`, `UP 5-10`, `DN 2`, `QSX 7190.0`. */
export function splitInComment(comment: string): string | null {
  const qsx = /\bQSX ?(\d{3,9}(?:\.\d{1,3})?)\b/i.exec(comment);
  if (qsx !== null) return `QSX ${qsx[1]}`;
  const shift = /\b(UP|DN|DOWN)(?: ?(\d{1,3}(?:\.\d)?(?:-\d{1,3})?))?(?![\w-])/i.exec(comment);
  if (shift === null) return null;
  const direction = /^up$/i.test(shift[1] ?? "") ? "UP" : "DN";
  return shift[2] === undefined ? direction : `${direction} ${shift[2]}`;
}
