/** One band: how busy each frequency was in a day, what the band plan says, and the last hour as a waterfall. */
import { type ScaleLinear, scaleLinear } from "d3-scale";
import { plannedMode } from "../../radio/bands.ts";
import { edgesOf } from "./bands.ts";
import { element, fitCanvas, make, onTheme, putText, readColours, showTip } from "./dom.ts";
import { mergeSpots, type Spot, styleOf } from "./spots.ts";
import { clockOf } from "./zone.ts";

export interface Histogram {
  readonly histogram: readonly { readonly spot_count: number; readonly center_freq: number }[];
  readonly bin_width?: number;
}

const hour = 3_600_000;
const inset = { left: 46, right: 10, top: 6, bars: 64, plan: 5, axis: 18 };
const mostKept = 3000;

interface Point {
  readonly x: number;
  readonly y: number;
  readonly spot: Spot;
}

/** What everything is drawn on and measured by. */
interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly colour: (name: string) => string;
  readonly width: number;
  readonly height: number;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Where the histogram ends and the last hour begins. */
  readonly barsEnd: number;
  readonly fallStart: number;
  /** kHz and time to pixels. */
  readonly x: ScaleLinear<number, number>;
  readonly y: ScaleLinear<number, number>;
}

export class Waterfall {
  readonly #box = element("fall");
  readonly #canvas = make("canvas") as HTMLCanvasElement;
  readonly #tip = make("div", "", "tip");
  #spots: readonly Spot[] = [];
  #histogram: Histogram = { histogram: [] };
  #band = "";
  #colours: Record<string, string> = {};
  #points: readonly Point[] = [];

  constructor() {
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-describedby", "fall-note");
    this.#tip.hidden = true;
    this.#box.replaceChildren(this.#canvas, this.#tip);
    const again = (): void => {
      this.#colours = readColours([
        "text",
        "soft",
        "line",
        "fill",
        "back",
        "style-cw",
        "style-digital",
        "style-voice",
        "style-other",
      ]);
      this.draw();
    };
    again();
    new ResizeObserver(again).observe(this.#box);
    onTheme(again);
    this.#canvas.addEventListener("pointermove", (event) => {
      const near = this.#points
        .map((point) => ({
          ...point,
          away: Math.hypot(point.x - event.offsetX, point.y - event.offsetY),
        }))
        .filter((point) => point.away < 12)
        .sort((a, b) => a.away - b.away)[0];
      showTip(
        this.#tip,
        near === undefined ? "" : describe(near.spot),
        event.offsetX,
        event.offsetY,
        this.#box.clientWidth,
      );
    });
    this.#canvas.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
    });
  }

  /** Another band begins with what is known of it already. */
  open(band: string): void {
    this.#band = band;
    this.#spots = [];
    this.#histogram = { histogram: [] };
  }

  add(spots: readonly Spot[]): void {
    const mine = spots.filter((spot) => spot.band === this.#band);
    if (mine.length > 0) this.#spots = mergeSpots(this.#spots, mine, mostKept);
  }

  setHistogram(histogram: Histogram): void {
    this.#histogram = histogram;
  }

  draw(): void {
    const edges = edgesOf(this.#band);
    const width = this.#box.clientWidth;
    const height = this.#box.clientHeight;
    if (edges === undefined || width === 0) return;
    const context = fitCanvas(this.#canvas, width, height);
    context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    const barsEnd = inset.top + inset.bars;
    const fallStart = barsEnd + inset.plan + inset.axis;
    const now = Date.now();
    const frame: Frame = {
      context,
      colour: (name) => this.#colours[name] ?? "#888",
      width,
      height,
      now,
      barsEnd,
      fallStart,
      x: scaleLinear([edges.low, edges.high], [inset.left, width - inset.right]),
      y: scaleLinear([now, now - hour], [fallStart, height - 6]),
    };
    drawBars(frame, this.#histogram, edges.low);
    drawPlan(frame);
    drawFrequencies(frame);
    drawMinutes(frame);
    this.#points = drawSpots(frame, this.#spots);
    this.#say(this.#points.length, this.#histogram.histogram);
  }

  #say(shown: number, bins: Histogram["histogram"]): void {
    const busiest = [...bins].sort((a, b) => b.spot_count - a.spot_count)[0];
    const note =
      busiest === undefined
        ? `Nothing heard on ${this.#band} in 24 hours.`
        : `Busiest around ${busiest.center_freq.toFixed(0)} kHz; ${shown.toLocaleString("en")} spots in the last hour.`;
    putText(element("fall-note"), note);
    this.#canvas.setAttribute("aria-label", `Spots on ${this.#band} by frequency and time`);
  }
}

function describe(spot: Spot): string {
  return `${spot.dx_call} ${Number(spot.frequency).toFixed(1)} kHz ${spot.mode ?? ""} ${clockOf(spot.timestamp)}, heard by ${spot.spotter_call}`;
}

function drawBars(
  { context, colour, x, barsEnd }: Frame,
  { histogram, bin_width: binWidth = 0 }: Histogram,
  low: number,
): void {
  const most = Math.max(1, ...histogram.map((bin) => bin.spot_count));
  const barWidth = Math.max(1.5, x(low + binWidth) - x(low) - 1);
  context.fillStyle = colour("fill");
  for (const bin of histogram) {
    const tall = Math.max(1, Math.sqrt(bin.spot_count / most) * inset.bars);
    context.fillRect(x(bin.center_freq) - barWidth / 2, barsEnd - tall, barWidth, tall);
  }
  context.fillStyle = colour("soft");
  context.textAlign = "right";
  context.fillText("24 h", inset.left - 6, barsEnd - inset.bars / 2);
  context.fillText("kHz", inset.left - 21, barsEnd + inset.plan + inset.axis / 2);
}

/** What the band plan expects, one pixel at a time: segments may overlap. */
function drawPlan({ context, colour, x, width, barsEnd }: Frame): void {
  for (let at = inset.left; at < width - inset.right; at += 1) {
    const mode = plannedMode(x.invert(at));
    context.globalAlpha = mode === null ? 0.25 : 0.9;
    context.fillStyle = colour(`style-${styleOf(mode)}`);
    context.fillRect(at, barsEnd + 1, 1, inset.plan - 1);
  }
  context.globalAlpha = 1;
}

function drawFrequencies({ context, colour, x, width, height, barsEnd, fallStart }: Frame): void {
  context.textAlign = "center";
  context.strokeStyle = colour("line");
  context.lineWidth = 1;
  for (const tick of x.ticks(Math.max(3, Math.floor(width / 90)))) {
    const at = Math.round(x(tick)) + 0.5;
    context.beginPath();
    context.moveTo(at, fallStart);
    context.lineTo(at, height - 6);
    context.stroke();
    context.fillStyle = colour("soft");
    const half = context.measureText(String(tick)).width / 2;
    context.fillText(
      String(tick),
      Math.min(width - half - 2, Math.max(half, at)),
      barsEnd + inset.plan + inset.axis / 2,
    );
  }
}

function drawMinutes({ context, y, now, width }: Frame): void {
  context.textAlign = "right";
  for (const minutes of [0, 15, 30, 45, 60]) {
    const at = Math.round(y(now - minutes * 60_000)) + 0.5;
    context.beginPath();
    context.moveTo(inset.left, at);
    context.lineTo(width - inset.right, at);
    context.stroke();
    if (minutes < 60)
      context.fillText(
        minutes === 0 ? "now" : `−${minutes}′`,
        inset.left - 6,
        at + (minutes === 0 ? 4 : 0),
      );
  }
}

/** @returns where the last hour's spots lie */
function drawSpots(
  { context, colour, x, y, now, fallStart }: Frame,
  spots: readonly Spot[],
): Point[] {
  const points: Point[] = [];
  for (const spot of spots) {
    const time = Date.parse(spot.timestamp);
    if (now - time > hour) continue;
    // The cluster's clock has minutes; within its minute a spot lies where its id says, so that they do not pile up.
    const point = {
      x: x(Number(spot.frequency)),
      y: Math.max(fallStart + 2, y(Math.min(now, time + (spot.id % 60) * 1000))),
      spot,
    };
    points.push(point);
    context.globalAlpha = 0.9 - ((now - time) / hour) * 0.45;
    context.fillStyle = colour(`style-${styleOf(spot.mode)}`);
    context.beginPath();
    context.arc(point.x, point.y, 2.2, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
  return points;
}
