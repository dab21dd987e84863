/** Draws the cards: bars, the hours, the histogram, the band conditions. Knows the document, keeps no state. */
import { bands as plan } from "../../radio/bands.ts";
import { bandLevel, type Spot } from "./spots.ts";

export const shownBands = [
  "160m",
  "80m",
  "60m",
  "40m",
  "30m",
  "20m",
  "17m",
  "15m",
  "12m",
  "10m",
  "6m",
  "2m",
];

/** The order of bands by frequency. */
export function rank(band: string): number {
  return plan.findIndex((candidate) => candidate.name === band);
}

export function element<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as E;
}

export function make(tag: string, text: string, className = ""): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}

export function drawBars(id: string, rows: readonly (readonly [string, number])[]): void {
  const most = Math.max(1, ...rows.map(([, value]) => value));
  element(id).replaceChildren(
    ...rows.map(([name, value]) => {
      const item = document.createElement("li");
      const meter = document.createElement("meter");
      meter.max = most;
      meter.value = value;
      meter.textContent = String(value);
      meter.setAttribute("aria-label", `${name}: ${value} spots`);
      item.append(make("span", name), meter, make("span", value.toLocaleString("en"), "value"));
      return item;
    }),
  );
}

export interface Column {
  readonly value: number;
  /** Shown when pointed at. */
  readonly title: string;
  /** Under the column; empty for none. */
  readonly label: string;
}

/** @param summary what a screen reader says of the chart */
export function drawColumns(id: string, columns: readonly Column[], summary: string): void {
  const most = Math.max(1, ...columns.map((column) => column.value));
  const step = 100 / Math.max(1, columns.length);
  const svg = draw("svg", {});
  columns.forEach((column, index) => {
    const height = (column.value / most) * 84;
    const rect = draw("rect", {
      x: `${index * step + step * 0.1}%`,
      y: `${86 - height}%`,
      width: `${step * 0.8}%`,
      height: `${height}%`,
      rx: "1.5",
    });
    const title = draw("title", {});
    title.textContent = column.title;
    rect.append(title);
    svg.append(rect);
    if (column.label === "") return;
    const label = draw("text", {
      x: `${(index + 0.5) * step}%`,
      y: "98%",
      "text-anchor": "middle",
    });
    label.textContent = column.label;
    svg.append(label);
  });
  const chart = element(id);
  chart.setAttribute("aria-label", summary);
  chart.replaceChildren(svg);
}

function draw(tag: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const levels = { green: "open for voice", yellow: "Morse and digital only", red: "nothing heard" };

/** @param now epoch milliseconds */
export function drawConditions(spots: readonly Spot[], now: number): void {
  element("conditions").replaceChildren(
    ...shownBands.map((band) => {
      const level = bandLevel(spots, band, now);
      const item = make("li", band);
      item.dataset["level"] = level;
      item.title = levels[level];
      item.append(make("span", `: ${levels[level]}`, "unseen"));
      return item;
    }),
  );
}
