import { randomBytes } from "node:crypto";

/*
 * What reaches a terminal came, in part, from hosts: names, log lines, error messages. Nothing of it may steer the terminal. Our own colours
 * are put in as marks that nobody else can know; `fitForTerminal`, through which everything goes that is printed, takes all control
 * sequences out of a text and then makes colours of the marks.
 */

const nonce = randomBytes(6).toString("hex");
const mark = `\uFDD0${nonce}:`;
const markPattern = new RegExp(`${mark}(\\d+);`, "g");
const colour = new RegExp("\\u001b\\[(\\d+)m", "g");

/** What a colour function makes of a text, with marks for the colours; nothing in the text itself becomes one. */
export function paintText(paint: (text: string) => string, text: string): string {
  return paint(showColours(takeOutControls(text))).replace(colour, `${mark}$1;`);
}

/** Marks become colours again. */
function showColours(text: string): string {
  return text.replace(markPattern, "\u001b[$1m");
}

/** How many columns a text takes, marks and colours left out. */
export function widthOf(text: string): number {
  return text.replace(markPattern, "").replace(colour, "").length;
}

/**
 * What is shown by its number: C1 controls, which some terminals obey even in UTF-8; what turns the direction of text (Trojan Source),
 * breaks lines, or is not seen at all. In a JSON string that is the same text.
 */
const shownByNumber =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

function byNumber(text: string): string {
  return text.replace(
    /[\u0000-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Escape sequences, complete or not, and all other C0 controls but tab and newline. */
function takeOutControls(text: string): string {
  return (
    text
      // Strings to the terminal (DCS, SOS, OSC, PM, APC) to their end, and what is left of any sequence.
      .replace(/\u001b[PX\]^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?/g, "")
      .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]?|[ -/]*[0-~]?)/g, "")
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, "")
  );
}

/** Lines that go to a terminal: our own colours stay, nothing else can steer it. */
export function fitForTerminal(text: string): string {
  return showColours(takeOutControls(text).replace(shownByNumber, byNumber));
}

/** One line, for the middle of another: no line break either. */
export function plainText(text: string): string {
  return fitForTerminal(text.replace(markPattern, "")).replaceAll("\n", "");
}
