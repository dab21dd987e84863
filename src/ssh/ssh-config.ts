import sshConfig from "ssh-config";
import { matchHostList, matchPatternList } from "./host-pattern.ts";

/** What ssh_config files say about one host: keys in lower case; one value, or several for IdentityFile and lists. */
export type SshSettings = ReadonlyMap<string, readonly string[]>;

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/** What the files are asked about. */
export interface ConfigQuery {
  /** The name as the user wrote it. */
  readonly alias: string;
  /** Set when the user is given already: it then counts for `Match user`. */
  readonly user?: string;
  readonly localUser: string;
}

export interface ConfigSource {
  /** The user's file first: the first value found for a keyword is the one that counts. */
  readonly files: readonly ConfigFile[];
  /** Files for one Include pattern; `from` is the file it stands in. */
  readInclude(pattern: string, from: string): readonly ConfigFile[];
  /** Told about what is not supported. */
  note?(line: string): void;
}

/** Keywords that add up instead of keeping the first value. */
const accumulating = new Set(["identityfile", "certificatefile"]);
const maxIncludeDepth = 16;

type Line = ReturnType<typeof sshConfig.parse>[number];

/**
 * Evaluates ssh_config(5) files for one host. The syntax is read by the package `ssh-config`; the evaluation is done
 * here, because Include inside a block, `?` and letters of any case have to work as in OpenSSH.
 * `Match exec` and `Match localnetwork` never match: hostkit runs no command from there, and notes it.
 *
 * @throws Error with `file: reason` for a file that cannot be read as ssh_config
 */
export function evaluateSshConfig(source: ConfigSource, query: ConfigQuery): SshSettings {
  const evaluation = new Evaluation(source, query);
  for (const file of source.files) evaluation.file(file, true, 0);
  if (evaluation.wantsFinalPass) {
    evaluation.finalPass = true;
    for (const file of source.files) evaluation.file(file, true, 0);
  }
  return evaluation.settings;
}

class Evaluation {
  readonly settings = new Map<string, string[]>();
  wantsFinalPass = false;
  finalPass = false;
  readonly #source: ConfigSource;
  readonly #query: ConfigQuery;

  constructor(source: ConfigSource, query: ConfigQuery) {
    this.#source = source;
    this.#query = query;
  }

  file(file: ConfigFile, active: boolean, depth: number): void {
    if (depth > maxIncludeDepth) throw new Error(`${file.path}: Include nests too deeply`);
    let lines: readonly Line[];
    try {
      lines = sshConfig.parse(file.text);
    } catch (error) {
      throw new Error(`${file.path}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
    this.#lines(lines, file, active, depth);
  }

  #lines(lines: readonly Line[], file: ConfigFile, active: boolean, depth: number): void {
    for (const line of lines) {
      if (!("param" in line)) continue;
      const keyword = line.param.toLowerCase();
      const values = readValues(line.value);
      if (keyword === "host" && "config" in line) {
        this.#lines(
          line.config,
          file,
          active && matchPatternList(values, this.#query.alias),
          depth,
        );
      } else if (keyword === "match" && "config" in line) {
        const criteria = "criteria" in line ? line.criteria : {};
        this.#lines(line.config, file, active && this.#matches(criteria), depth);
      } else if (keyword === "include") {
        for (const pattern of values) {
          for (const included of this.#source.readInclude(pattern, file.path)) {
            this.file(included, active, depth + 1);
          }
        }
      } else if (active) {
        this.#set(keyword, values);
      }
    }
  }

  #set(keyword: string, values: string[]): void {
    const existing = this.settings.get(keyword);
    if (existing === undefined) this.settings.set(keyword, values);
    else if (accumulating.has(keyword)) {
      existing.push(...values.filter((value) => !existing.includes(value)));
    }
  }

  #matches(criteria: Readonly<Record<string, unknown>>): boolean {
    return Object.entries(criteria).every(([key, value]) => {
      const negated = key.startsWith("!");
      const name = key.slice(negated ? 1 : 0).toLowerCase();
      const list = readValues(value).flatMap((item) => item.split(","));
      return this.#criterion(name, list) !== negated;
    });
  }

  #criterion(name: string, list: readonly string[]): boolean {
    const { alias, user, localUser } = this.#query;
    switch (name) {
      case "all":
        return true;
      case "final":
        this.wantsFinalPass = true;
        return this.finalPass;
      case "host": {
        const hostName = this.settings.get("hostname")?.[0]?.replaceAll("%h", alias) ?? alias;
        return matchHostList(list, hostName);
      }
      case "originalhost":
        return matchHostList(list, alias);
      case "user":
        return matchPatternList(list, user ?? this.settings.get("user")?.[0] ?? localUser);
      case "localuser":
        return matchPatternList(list, localUser);
      case "canonical":
        return false;
      default:
        this.#source.note?.(
          `ssh_config: "Match ${name}" is not supported by hostkit and counts as no match`,
        );
        return false;
    }
  }
}

function readValues(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown) =>
    typeof item === "object" && item !== null && "val" in item ? String(item.val) : String(item),
  );
}

/** What `%` tokens of ssh_config(5) stand for. */
export interface TokenValues {
  readonly home: string;
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly localUser: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Expands `~/`, `${NAME}` and the tokens %% %d %h %n %p %r %u of a path in ssh_config. */
export function expandPath(path: string, values: TokenValues): string {
  const home = path === "~" || path.startsWith("~/") ? values.home + path.slice(1) : path;
  const tokens: Readonly<Record<string, string>> = {
    "%": "%",
    d: values.home,
    h: values.host,
    n: values.alias,
    p: String(values.port),
    r: values.user,
    u: values.localUser,
  };
  return home
    .replaceAll(
      /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
      (whole, name: string) => values.environment[name] ?? whole,
    )
    .replaceAll(/%(.)/g, (whole, token: string) => tokens[token] ?? whole);
}
