import { formatError } from "../errors.ts";
import type { HostkitError } from "../errors.ts";
import type { Colors } from "./colors.ts";
import { formatSeconds } from "./duration.ts";
import { plainText } from "./terminal-text.ts";

/** What happens while somebody develops. */
export type DevEvent =
  | { readonly event: "building"; readonly command: string }
  | { readonly event: "releasing"; readonly host: string; readonly why: string }
  | {
      readonly event: "ready";
      readonly host: string;
      readonly seconds: number;
      /** Site → address on this machine. */
      readonly urls: Readonly<Record<string, string>>;
      readonly watching: readonly string[];
      /** How a changed file gets into each service. */
      readonly ways: Readonly<Record<string, "mounted" | "built anew" | "not watched">>;
    }
  | {
      readonly event: "live";
      readonly services: readonly string[];
      /** "restarted" with the new files, or all "provisioned". */
      readonly how: "restarted" | "provisioned";
      readonly files: readonly string[];
      /** From the moment of saving until the health checks passed. */
      readonly seconds: number;
    }
  | { readonly event: "unchanged"; readonly files: readonly string[] }
  | { readonly event: "failed"; readonly error: HostkitError }
  /** The connection is gone; what is saved meanwhile is brought when it is back. */
  | { readonly event: "lost"; readonly error: HostkitError }
  | { readonly event: "back"; readonly host: string }
  | { readonly event: "log"; readonly service: string; readonly line: string };

export interface DevReport {
  tell(event: DevEvent): void;
  /** Log lines wait while something else is on the screen. */
  hold(): void;
  release(): void;
}

/** Shows events on a terminal, or as JSON lines. `write` takes text without a newline at its end. */
export function createDevReport(options: {
  readonly json: boolean;
  readonly colors: Colors;
  /** Those whose logs are shown; asked at each line, as the manifest may change. */
  services(): readonly string[];
  write(text: string): void;
}): DevReport {
  const { colors, json } = options;
  const held: DevEvent[] = [];
  let isHeld = false;
  const paints = [colors.cyan, colors.magenta, colors.yellow, colors.blue, colors.green];
  const label = (service: string): string => {
    const services = options.services();
    const width = Math.max(0, ...services.map((name) => name.length));
    const paint = paints[Math.max(0, services.indexOf(service)) % paints.length] ?? String;
    return paint(`${service.padEnd(width)} |`);
  };
  const show = (event: DevEvent): void =>
    options.write(json ? describe(event) : render(event, colors, label));
  return {
    tell(event) {
      if (isHeld && event.event === "log") held.push(event);
      else show(event);
    },
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      held.splice(0).forEach(show);
    },
  };
}

function describe(event: DevEvent): string {
  if (!("error" in event)) return JSON.stringify(event);
  const { code, exitCode, parts } = event.error;
  return JSON.stringify({ event: event.event, error: { code, exitCode, ...parts } });
}

function render(event: DevEvent, colors: Colors, label: (service: string) => string): string {
  const { bold, dim, green, red } = colors;
  switch (event.event) {
    case "building":
      return dim(`$ ${event.command}`);
    case "releasing":
      return `${bold(event.host)}: ${event.why}`;
    case "ready": {
      const urls = Object.entries(event.urls).map(
        ([site, url]) => `  ${green("➜")} ${bold(url)}  ${dim(site)}`,
      );
      const ways = Object.entries(event.ways).map(([name, way]) => `${name} (${way})`);
      return [
        `${green("✓")} ${event.host} is ready, after ${formatSeconds(event.seconds)}`,
        ...urls,
        dim(`  watching ${event.watching.join(", ")}: ${ways.join(", ") || "the manifest"}`),
        dim("  Ctrl-C ends it"),
      ].join("\n");
    }
    case "live":
      return `${green("✓")} ${bold(event.services.join(", "))} ${event.how === "restarted" ? "live" : "provisioned and live"} ${bold(preciseSeconds(event.seconds))} after saving ${describeFiles(event.files)}`;
    case "unchanged":
      return dim(`· ${describeFiles(event.files)}: nothing that runs has changed`);
    case "lost":
      return red(
        plainText(`the connection is lost: ${event.error.parts.what}; trying to reach it again`),
      );
    case "back":
      return `${green("✓")} the connection to ${bold(event.host)} is back`;
    case "failed":
      return formatError(event.error)
        .split("\n")
        .map((line, index) => (index === 0 ? red(plainText(line)) : plainText(line)))
        .join("\n");
    case "log":
      return `${label(event.service)} ${event.line}`;
  }
}

function describeFiles(files: readonly string[]): string {
  const [first = "files", ...others] = files;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** Tenths do not tell fast from faster. */
function preciseSeconds(seconds: number): string {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : formatSeconds(seconds);
}
