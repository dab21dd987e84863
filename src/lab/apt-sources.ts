/** The mirrors a machine already uses; a lab host gets the same ones. */
export interface AptMirrors {
  readonly main: string;
  readonly security: string;
}

interface Source {
  readonly uri: string;
  readonly suite: string;
}

/**
 * Finds the Debian mirrors for `codename` in the machine's own apt sources (one-line and deb822 texts).
 * Returns undefined when the machine has none of its own release over http(s), for example on Ubuntu: the caller then
 * leaves the choice to mmdebstrap.
 */
export function findMirrors(texts: readonly string[], codename: string): AptMirrors | undefined {
  const sources = texts.flatMap((text) => [...parseDeb822(text), ...parseOneLine(text)]);
  const usable = sources.filter(({ uri }) => /^https?:\/\//.test(uri));
  const main = usable.find(({ suite }) => suite === codename)?.uri;
  const security = usable.find(({ suite }) => suite === `${codename}-security`)?.uri;
  return main === undefined || security === undefined ? undefined : { main, security };
}

/** The deb822 text for /etc/apt/sources.list.d/debian.sources of a lab host, as Debian's cloud images write it. */
export function renderSources(mirrors: AptMirrors, codename: string): string {
  const block = (uri: string, suites: string) =>
    [
      "Types: deb",
      `URIs: ${uri}`,
      `Suites: ${suites}`,
      "Components: main",
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
      "",
    ].join("\n");
  return `${block(mirrors.main, `${codename} ${codename}-updates`)}\n${block(mirrors.security, `${codename}-security`)}`;
}

function parseDeb822(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    let last = "";
    for (const line of stanza.split("\n")) {
      if (line.startsWith("#")) continue;
      const field = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (field?.[1] !== undefined) {
        last = field[1].toLowerCase();
        fields.set(last, field[2] ?? "");
      } else if (/^\s/.test(line) && last !== "") {
        fields.set(last, `${fields.get(last) ?? ""} ${line.trim()}`);
      }
    }
    if (!words(fields.get("types")).includes("deb") || fields.get("enabled")?.trim() === "no")
      return [];
    return words(fields.get("uris")).flatMap((uri) =>
      words(fields.get("suites")).map((suite) => ({ uri, suite })),
    );
  });
}

function parseOneLine(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const found = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line);
    return found?.[1] !== undefined && found[2] !== undefined
      ? [{ uri: found[1], suite: found[2] }]
      : [];
  });
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}
