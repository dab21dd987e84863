#!/usr/bin/env node
// Turns what script(1) recorded into an SVG of the terminal as it looked in the end; the pictures in docs/images are made by it.
// Usage: script -qec "COMMAND" FILE; render-terminal.mjs FILE PICTURE.svg
// Knows what hostkit prints: colours, bold, faint, underline, and moving up to draw lines anew.
import { readFileSync, writeFileSync } from "node:fs";

const colors = {
  31: "#ff7b72",
  32: "#7ee787",
  33: "#e3b341",
  34: "#79c0ff",
  35: "#d2a8ff",
  36: "#76e3ea",
};
const [cell, line, margin, bar] = [8.43, 20, 18, 34];

/**
 * Plays a recording.
 * @param {string} text
 * @returns {{ character: string, style: string }[][]} lines of cells
 */
function playRecording(text) {
  const screen = [[]];
  let [row, column] = [0, 0];
  let style = {};
  const token = /\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]/gu;
  for (const [whole, parameters = "", final] of text.matchAll(token)) {
    const count = Number.parseInt(parameters, 10) || 1;
    if (final === "m") style = restyle(style, parameters);
    else if (final === "A") row = Math.max(0, row - count);
    else if (final === "G") column = count - 1;
    else if (final === "B") row += count;
    else if (final === "K") screen[row] = parameters === "2" ? [] : screen[row].slice(0, column);
    else if (final === "J") screen.length = row + 1;
    else if (whole === "\r") column = 0;
    else if (whole === "\n") row += 1;
    else if (final === undefined) {
      screen[row][column] = { character: whole, style: describe(style) };
      column += 1;
    }
    screen[row] ??= [];
  }
  return screen.map((cells) =>
    Array.from(cells, (known) => known ?? { character: " ", style: "" }),
  );
}

function restyle(style, parameters) {
  let next = { ...style };
  for (const code of (parameters || "0").split(";").map(Number)) {
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next = { ...next, bold: false, faint: false };
    else if (code === 24) next.underline = false;
    else if (code === 39) next.color = undefined;
    else if (colors[code] !== undefined) next.color = colors[code];
  }
  return next;
}

function describe({ bold, faint, underline, color }) {
  return [
    color === undefined ? "" : ` fill="${color}"`,
    bold ? ' font-weight="bold"' : "",
    faint ? ' opacity="0.62"' : "",
    underline ? ' text-decoration="underline"' : "",
  ].join("");
}

/**
 * Draws lines of cells.
 * @param {{ character: string, style: string }[][]} lines
 * @returns {string} an SVG document
 */
function drawTerminal(lines) {
  const shown = [...lines];
  while (shown.at(-1)?.length === 0) shown.pop();
  const width = Math.ceil(Math.max(...shown.map((cells) => cells.length)) * cell) + 2 * margin;
  const height = bar + shown.length * line + margin;
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (color, index) => `<circle cx="${margin + 4 + index * 20}" cy="18" r="6" fill="${color}"/>`,
  );
  const texts = shown.flatMap((cells, index) =>
    splitRuns(cells).map(({ at, text, style }) => {
      const [x, length] = [margin + at * cell, text.length * cell];
      const y = bar + index * line + 14;
      return `<text x="${x.toFixed(1)}" y="${y}" textLength="${length.toFixed(1)}" lengthAdjust="spacing"${style}>${escapeText(text)}</text>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${dots.join("")}
<g fill="#e6edf3" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">
${texts.join("\n")}
</g>
</svg>
`;
}

/** Neighbouring cells of one style; blanks at both ends are left out. */
function splitRuns(cells) {
  const runs = [];
  cells.forEach(({ character, style }, index) => {
    const last = runs.at(-1);
    if (last !== undefined && last.style === style) last.text += character;
    else runs.push({ at: index, text: character, style });
  });
  return runs.flatMap(({ at, text, style }) => {
    const start = text.length - text.trimStart().length;
    // Blanks in a row would become one.
    const kept = text.trim().replaceAll(" ", "\u00a0");
    return kept === "" ? [] : [{ at: at + start, text: kept, style }];
  });
}

const escapeText = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const [recording, picture] = process.argv.slice(2);
if (recording === undefined || picture === undefined) {
  process.stderr.write("usage: render-terminal.mjs RECORDING PICTURE.svg\n");
  process.exit(64);
}
// script(1) writes a line of its own at both ends, when it is asked to keep a log.
const text = readFileSync(recording, "utf8").replace(/^Script (started|done).*\n/gm, "");
writeFileSync(picture, drawTerminal(playRecording(text)));
