import type { Refusal } from "../resource.ts";

/** What the package puts there (Debian, Ubuntu, Caddy's own): one site on port 80 that shows a page of Caddy's. */
const packaged = ":80 { root * /usr/share/caddy file_server }";

/** True for a Caddyfile that a person wrote: not hostkit's, not the package's, not an empty one. */
export function isForeignCaddyfile(text: string): boolean {
  if (text.startsWith("# Written by hostkit")) return false;
  const said = text
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "")
    .join(" ");
  return said !== "" && said !== packaged;
}

interface Line {
  readonly number: number;
  /** How many blocks are open before it. */
  readonly depth: number;
  readonly words: readonly string[];
}

/** Lines with their depth; good enough to find site addresses and options, Caddy itself has the last word. */
function readLines(text: string): Line[] {
  let depth = 0;
  return text.split("\n").map((line, index) => {
    const words = line
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "");
    const read = { number: index + 1, depth, words };
    for (const word of words) {
      if (word === "{" || (word.endsWith("{") && !word.includes("{$"))) depth += 1;
      if (word === "}") depth -= 1;
    }
    return read;
  });
}

/** Options of the whole Caddyfile beside which hostkit's sites would not be served or not be reloaded. */
const obstacles: Readonly<Record<string, (words: readonly string[]) => string | undefined>> = {
  admin: ([, value]) =>
    value === "off"
      ? "without its admin interface Caddy can only be restarted, which drops every connection"
      : undefined,
  http_port: ([, value]) => (value === "80" ? undefined : "hostkit's sites are served on port 80"),
  https_port: ([, value]) =>
    value === "443" ? undefined : "hostkit's sites are served on port 443",
  auto_https: ([, value]) =>
    value === "off" || value === "disable_certs" ? "hostkit's sites need certificates" : undefined,
};

/** The name a site's address is served under, without scheme and port. */
function hostOf(address: string): string {
  return address
    .replace(/[,{]+$/, "")
    .replace(/^https?:\/\//, "")
    .replace(/[:/].*$/, "")
    .toLowerCase();
}

/**
 * What in a Caddyfile that somebody wrote does not go together with these sites.
 * @param siteNames lower case
 */
export function findForeignObstacle(
  text: string,
  siteNames: readonly string[],
): Refusal | undefined {
  const lines = readLines(text);
  const names = new Set(siteNames);
  const first = lines.find(({ words }) => words.length > 0);
  const hasOptions = first?.words.join(" ") === "{";
  let isInOptions = false;
  for (const { number, depth, words } of lines) {
    if (depth === 0) isInOptions = hasOptions && number === first?.number;
    const [word = ""] = words;
    const where = `/etc/caddy/Caddyfile:${number}`;
    const why = isInOptions && depth === 1 ? obstacles[word]?.(words) : undefined;
    if (why !== undefined)
      return {
        what: `${where}, which is not hostkit's, says ${words.join(" ")}`,
        why: `${why}; nothing was changed`,
        next: `take the line out on the host, or leave the proxy section out of the manifest`,
      };
    const taken = depth === 0 ? words.map(hostOf).find((name) => names.has(name)) : undefined;
    if (taken !== undefined)
      return {
        what: `${where}, which is not hostkit's, has the site ${taken}`,
        why: "one name is served by one of the two; nothing was changed",
        next: "take the site out there, or out of the manifest",
      };
  }
  return undefined;
}
