/** The world, the night, and who hears whom: great circles from spotter to station. Loaded after the first paint. */
import { geoCircle, geoGraticule10, geoNaturalEarth1, geoPath, type GeoProjection } from "d3-geo";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import type { Feature, FeatureCollection, MultiLineString } from "geojson";
import { bandColour, bandColourName, rank, usualBands } from "./bands.ts";
import { element, fitCanvas, make, onTheme, putText, readColours, showTip } from "./dom.ts";
import { makePaths, type Path, subsolarPoint } from "./paths.ts";
import type { Spot } from "./spots.ts";
import { clockOf } from "./zone.ts";

/** More than these hide each other. */
const mostPaths = 220;
const pathsPerPixel = 0.35;
const growing = 900;
const hint = matchMedia("(hover: none)").matches
  ? "Touch a station to see its path."
  : "Point at a station, or go through them with the arrow keys.";

const nothing = "No station with a known place in this time.";

type World = Topology<{ countries: GeometryCollection; land: GeometryCollection }>;

interface Drawn {
  readonly path: Path;
  readonly line: Path2D;
  readonly length: number;
  readonly at: readonly [number, number];
  readonly born: number;
}

const colourNames = [
  "sea",
  "land",
  "border",
  "grid",
  "night",
  "text",
  "card",
  "sun",
  ...[...usualBands, null].map(bandColourName),
];

export class WorldMap {
  readonly #box = element("map");
  readonly #base = make("canvas") as HTMLCanvasElement;
  /** Paths that stand; they are drawn when paths come or go. */
  readonly #still = make("canvas") as HTMLCanvasElement;
  /** Paths that grow, and the chosen one: drawn sixty times a second while something grows. */
  readonly #top = make("canvas") as HTMLCanvasElement;
  readonly #tip = make("div", "", "tip");
  readonly #land: Feature | FeatureCollection;
  readonly #borders: MultiLineString;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #projection: GeoProjection = geoNaturalEarth1();
  #width = 0;
  #height = 0;
  #contexts: Record<"still" | "top", CanvasRenderingContext2D> | null = null;
  #colours: Record<string, string> = {};
  #drawn: readonly Drawn[] = [];
  #growing: readonly Drawn[] = [];
  #known = new Map<number, Drawn>();
  #chosen: number | null = null;
  #frame = 0;
  #first = true;

  private constructor(world: World) {
    this.#land = feature(world, world.objects.land);
    this.#borders = mesh(world, world.objects.countries, (a, b) => a !== b);
    this.#top.tabIndex = 0;
    this.#top.setAttribute("role", "img");
    this.#top.setAttribute("aria-describedby", "map-note");
    this.#tip.hidden = true;
    this.#box.replaceChildren(this.#base, this.#still, this.#top, this.#tip);
    putText(element("map-note"), nothing);
    this.#listen();
    this.#resize();
    new ResizeObserver(() => {
      this.#resize();
    }).observe(this.#box);
    onTheme(() => {
      this.#resize();
    });
    // The night moves a quarter of a degree a minute.
    setInterval(() => {
      this.#drawBase();
    }, 120_000);
  }

  /** @throws when the map data cannot be loaded */
  static async load(): Promise<WorldMap> {
    const response = await fetch("/world.json");
    if (!response.ok) throw new Error(`/world.json: ${response.status}`);
    return new WorldMap((await response.json()) as World);
  }

  /** @param spots those that match the filter, newest first */
  show(spots: readonly Spot[], minutes: number): void {
    const most = Math.min(mostPaths, Math.round(this.#width * pathsPerPixel));
    const paths = makePaths(spots, Date.now() - minutes * 60_000, most);
    const now = performance.now();
    const known = new Map<number, Drawn>();
    this.#drawn = paths.map((path) => {
      const drawn =
        this.#known.get(path.spot.id) ?? this.#project(path, this.#first ? -growing : now);
      known.set(path.spot.id, drawn);
      return drawn;
    });
    this.#first = false;
    this.#known = known;
    if (this.#chosen !== null && !known.has(this.#chosen)) this.#choose(null);
    const countries = new Set(paths.flatMap(({ spot }) => spot.dx_country ?? [])).size;
    const count =
      paths.length === most
        ? `newest ${most} paths`
        : `${paths.length} ${paths.length === 1 ? "path" : "paths"}`;
    const to = `${countries} ${countries === 1 ? "country" : "countries"}`;
    putText(element("map-count"), `${count}, ${to}`);
    showLegend(paths);
    if (this.#chosen === null) putText(element("map-note"), paths.length > 0 ? hint : nothing);
    const label = `World map: ${count} to ${to}. Left and right arrow keys go from path to path.`;
    if (this.#top.getAttribute("aria-label") !== label) this.#top.setAttribute("aria-label", label);
    this.#drawPaths();
  }

  #project(path: Path, born: number): Drawn {
    const line = new Path2D();
    const geometry = { type: "LineString" as const, coordinates: [[...path.from], [...path.to]] };
    geoPath(this.#projection, line as unknown as CanvasRenderingContext2D)(geometry);
    const at = this.#projection([...path.to]) ?? [-99, -99];
    return { path, line, length: geoPath(this.#projection).measure(geometry), at, born };
  }

  #resize(): void {
    this.#width = this.#box.clientWidth;
    this.#height = Math.round(Math.min(this.#width * 0.52, 460));
    if (this.#width === 0) return;
    this.#colours = readColours(colourNames);
    // Turned by eleven degrees, Chukotka is in one piece.
    this.#projection = geoNaturalEarth1()
      .rotate([-11, 0])
      .precision(0.4)
      .fitExtent(
        [
          [2, 2],
          [this.#width - 2, this.#height - 2],
        ],
        { type: "Sphere" },
      );
    this.#drawBase();
    this.#contexts = {
      still: fitCanvas(this.#still, this.#width, this.#height),
      top: fitCanvas(this.#top, this.#width, this.#height),
    };
    const again = (drawn: Drawn): Drawn => this.#project(drawn.path, drawn.born);
    this.#drawn = this.#drawn.map(again);
    this.#known = new Map(this.#drawn.map((drawn) => [drawn.path.spot.id, drawn]));
    this.#drawPaths();
  }

  #drawBase(): void {
    if (this.#width === 0) return;
    const context = fitCanvas(this.#base, this.#width, this.#height);
    const path = geoPath(this.#projection, context);
    const colour = (name: string): string => this.#colours[name] ?? "#888";
    const fill = (shape: Parameters<typeof path>[0], name: string): void => {
      context.beginPath();
      path(shape);
      context.fillStyle = colour(name);
      context.fill();
    };
    const stroke = (shape: Parameters<typeof path>[0], name: string, width: number): void => {
      context.beginPath();
      path(shape);
      context.strokeStyle = colour(name);
      context.lineWidth = width;
      context.stroke();
    };
    fill({ type: "Sphere" }, "sea");
    stroke(geoGraticule10(), "grid", 0.6);
    fill(this.#land, "land");
    stroke(this.#borders, "border", 0.6);
    const [longitude, latitude] = subsolarPoint(Date.now());
    // Three shades: the twilight in which long paths open.
    for (const radius of [90, 84, 78])
      fill(
        geoCircle()
          .center([longitude + 180, -latitude])
          .radius(radius)(),
        "night",
      );
    stroke({ type: "Sphere" }, "grid", 1);
    this.#drawSun(context, this.#projection([longitude, latitude]) ?? [-99, -99]);
  }

  /** Where it stands in the zenith. */
  #drawSun(context: CanvasRenderingContext2D, [x, y]: readonly [number, number]): void {
    const colour = this.#colours["sun"] ?? "#fc0";
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = 1.4;
    context.beginPath();
    for (let ray = 0; ray < 8; ray += 1) {
      const [east, south] = [Math.cos((ray * Math.PI) / 4), Math.sin((ray * Math.PI) / 4)];
      context.moveTo(x + east * 6.5, y + south * 6.5);
      context.lineTo(x + east * 9.5, y + south * 9.5);
    }
    context.stroke();
    context.beginPath();
    context.arc(x, y, 4.2, 0, 2 * Math.PI);
    context.fill();
  }

  #ask(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawTop();
    });
  }

  #drawPaths(): void {
    const now = performance.now();
    const grows = ({ born }: Drawn): boolean => !this.#calm.matches && now - born < growing;
    this.#growing = this.#drawn.filter(grows);
    const context = this.#contexts?.still;
    if (context === undefined) return;
    context.clearRect(0, 0, this.#width, this.#height);
    // Oldest first, so that the newest lies on top.
    for (let index = this.#drawn.length - 1; index >= 0; index -= 1) {
      const drawn = this.#drawn[index];
      if (drawn === undefined || drawn.path.spot.id === this.#chosen || grows(drawn)) continue;
      const fade = 1 - (index / Math.max(60, this.#drawn.length)) * 0.75;
      this.#drawOne(context, drawn, 1, this.#chosen === null ? 0.55 * fade : 0.12, false);
    }
    this.#ask();
  }

  #drawTop(): void {
    const context = this.#contexts?.top;
    if (context === undefined) return;
    context.clearRect(0, 0, this.#width, this.#height);
    const now = performance.now();
    let moving = false;
    for (const drawn of this.#growing) {
      if (drawn.path.spot.id === this.#chosen) continue;
      const progress = Math.min(1, (now - drawn.born) / growing);
      if (progress < 1) moving = true;
      this.#drawOne(context, drawn, progress, this.#chosen === null ? 0.55 : 0.12, false);
    }
    const chosen = this.#chosen === null ? undefined : this.#known.get(this.#chosen);
    if (chosen !== undefined) this.#drawOne(context, chosen, 1, 1, true);
    if (moving) this.#ask();
  }

  #drawOne(
    context: CanvasRenderingContext2D,
    drawn: Drawn,
    progress: number,
    alpha: number,
    strong: boolean,
  ): void {
    const colour = this.#colours[bandColourName(drawn.path.spot.band)] ?? "#888";
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = strong ? 2.4 : 1.1;
    context.setLineDash(progress < 1 ? [drawn.length * progress, drawn.length * 2] : []);
    context.stroke(drawn.line);
    context.setLineDash([]);
    context.globalAlpha = Math.min(1, alpha + 0.35);
    context.beginPath();
    const radius = (strong ? 4.5 : 2.4) * (progress < 1 ? 0.4 + 0.6 * progress : 1);
    context.arc(drawn.at[0], drawn.at[1], radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = this.#colours["card"] ?? "#fff";
    context.stroke();
    context.globalAlpha = 1;
  }

  #listen(): void {
    this.#top.addEventListener("pointermove", (event) => {
      const near = this.#nearest(event.offsetX, event.offsetY);
      this.#choose(near?.path.spot.id ?? null);
      showTip(
        this.#tip,
        near === undefined ? "" : describe(near.path),
        event.offsetX,
        event.offsetY,
        this.#width,
      );
    });
    this.#top.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
      this.#choose(null);
    });
    this.#top.addEventListener("blur", () => {
      this.#choose(null);
    });
    this.#top.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (event.key === "Escape") this.#choose(null);
      if (step === 0 || this.#drawn.length === 0) return;
      event.preventDefault();
      const place = this.#drawn.findIndex((drawn) => drawn.path.spot.id === this.#chosen);
      const next = place < 0 ? 0 : (place + step + this.#drawn.length) % this.#drawn.length;
      this.#choose(this.#drawn[next]?.path.spot.id ?? null);
    });
  }

  #nearest(x: number, y: number): Drawn | undefined {
    let best: Drawn | undefined;
    let least = 14;
    for (const drawn of this.#drawn) {
      const away = Math.hypot(drawn.at[0] - x, drawn.at[1] - y);
      if (away < least) [best, least] = [drawn, away];
    }
    return best;
  }

  #choose(id: number | null): void {
    if (id === this.#chosen) return;
    this.#chosen = id;
    const chosen = id === null ? undefined : this.#known.get(id);
    const unsaid = this.#drawn.length > 0 ? hint : nothing;
    putText(element("map-note"), chosen === undefined ? unsaid : describe(chosen.path));
    this.#drawPaths();
  }
}

/** The colours of the bands that are on the map. */
function showLegend(paths: readonly Path[]): void {
  const legend = element("map-legend");
  const bands = [...new Set(paths.flatMap(({ spot }) => spot.band ?? []))].sort(
    (a, b) => rank(a) - rank(b),
  );
  if (legend.textContent === bands.join("")) return;
  legend.replaceChildren(
    ...bands.map((band) => {
      const key = make("span", band, "key round");
      key.style.setProperty("--key", bandColour(band));
      return key;
    }),
  );
}

function describe({ spot, distance, bearing }: Path): string {
  const where = spot.dx_country === null ? "" : ` (${spot.dx_country})`;
  const kilometres = (Math.round(distance / 10) * 10).toLocaleString("en");
  return `${spot.dx_call}${where} heard by ${spot.spotter_call} on ${Number(spot.frequency).toFixed(1)} kHz ${spot.mode ?? ""} at ${clockOf(spot.timestamp)}, ${kilometres} km, ${bearing}°`;
}
