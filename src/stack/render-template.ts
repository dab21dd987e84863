import ejs from "ejs";
import type { Language } from "../writers/written.ts";

/**
 * Renders one EJS template of templates/host. Its text stands as it is; every value in it must be a number or come from the
 * writer of the template's language (`src/writers`), so that nothing is put into a file unquoted by accident.
 * @throws TypeError when the template is not there, for a variable that is missing and for a value of another kind
 */
export function renderTemplate(
  templates: ReadonlyMap<string, string>,
  path: string,
  data: Readonly<Record<string, unknown>>,
): string {
  const text = templates.get(path);
  if (text === undefined) throw new TypeError(`no template ${path}`);
  const key = `${path}\0${text}`;
  let render = compiled.get(key);
  if (render === undefined) {
    const language = languageOf(path);
    render = ejs.compile(text, {
      escape: (value?: unknown) => renderValue(value, language, path),
      async: false,
    });
    compiled.set(key, render);
  }
  return render(data);
}

/** The same text always gives the same function: several services and hosts share it. */
const compiled = new Map<string, (data: Readonly<Record<string, unknown>>) => string>();

const languages: readonly (readonly [prefix: string, language: Language])[] = [
  ["etc/systemd/", "systemd"],
  ["run/systemd/", "systemd"],
  ["usr/local/lib/hostkit/", "shell"],
  ["etc/postgresql", "postgres-conf"],
  ["etc/pgbackrest/", "pgbackrest"],
  ["etc/hostkit/firewall.nft", "nft"],
  ["etc/ssh/", "sshd"],
  ["etc/apt/", "apt"],
  ["etc/modprobe.d/", "modprobe"],
  ["etc/caddy/", "caddyfile"],
];

function languageOf(path: string): Language | undefined {
  return languages.find(([prefix]) => path.startsWith(prefix))?.[1];
}

function renderValue(value: unknown, language: Language | undefined, path: string): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "object" && value !== null && "language" in value && "text" in value) {
    if (value.language === language && typeof value.text === "string") return value.text;
    throw new TypeError(`${path}: a value was written for ${String(value.language)}`);
  }
  throw new TypeError(
    `${path}: a value is ${value === null ? "null" : typeof value}; write it with the writer for ${language ?? "its language"} in src/writers`,
  );
}
