import { createHash } from "node:crypto";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Script } from "node:vm";

type Environment = Readonly<Record<string, string | undefined>>;

/** hostkit's modules in a few files, and what V8 made of them the last time. */
export interface PackedProgram {
  /** The exports of src/commands/line/main.ts. */
  readonly main: typeof import("./commands/line/main.ts");
  /** Keeps what V8 compiled for the next start, where it learned something new. */
  keep(): void;
}

/**
 * Opens the program that `npm run build` packs; undefined where there is none or it is older than this build.
 * The compiled code is kept in the user's cache, one file for each word: every verb compiles its own part. It is only taken
 * from files that nobody else can write, since it runs as the user.
 * @param folder dist
 * @param word chooses the file: the verb
 */
export function openPackedProgram(
  folder: string,
  word: string,
  environment: Environment,
): PackedProgram | undefined {
  let entry: string;
  try {
    const file = path.join(folder, "packed/entry");
    // tsc alone packs nothing: what it wrote counts then.
    if (statSync(path.join(folder, "cli.js")).mtimeMs > statSync(file).mtimeMs) return undefined;
    entry = path.join(folder, "packed", readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  const compiled = new CompiledCode(environment, entry, word);
  const loader = new Loader(compiled);
  return {
    main: loader.load(entry) as PackedProgram["main"],
    keep: () => compiled.write(loader.scripts),
  };
}

/** Node's own loader for CommonJS has no place for compiled code. */
class Loader {
  readonly scripts = new Map<string, Script>();
  readonly #modules = new Map<string, { exports: unknown }>();
  readonly #compiled: CompiledCode;

  constructor(compiled: CompiledCode) {
    this.#compiled = compiled;
  }

  load(file: string): unknown {
    const known = this.#modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    this.#modules.set(file, module);
    const name = path.basename(file);
    const cachedData = this.#compiled.get(name);
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "utf8")}\n})`,
      { filename: file, ...(cachedData === undefined ? {} : { cachedData }) },
    );
    if (cachedData === undefined || script.cachedDataRejected === true)
      this.#compiled.isStale = true;
    this.scripts.set(name, script);
    const folder = path.dirname(file);
    let outside: NodeJS.Require | undefined;
    const require = (id: string): unknown => {
      if (id.startsWith("./")) return this.load(path.join(folder, id));
      if (id.startsWith("node:")) return process.getBuiltinModule(id);
      outside ??= createRequire(file);
      return outside(id);
    };
    const run = script.runInThisContext() as (...given: unknown[]) => void;
    run(module.exports, require, module, file, folder);
    return module.exports;
  }
}

/** A line of JSON (names and lengths), then the code of one after the other. */
class CompiledCode {
  isStale = false;
  readonly #parts = new Map<string, Buffer>();
  readonly #file: string;

  constructor(environment: Environment, entry: string, word: string) {
    const cache = environment["XDG_CACHE_HOME"] || path.join(environment["HOME"] ?? "/", ".cache");
    // The entry's name has a hash of its content, and it names all others by theirs.
    const build = createHash("sha256")
      .update([entry, process.version, process.arch, ...process.execArgv].join("\0"))
      .digest("hex");
    this.#file = path.join(cache, "hostkit/code", build.slice(0, 16), word);
    try {
      this.#read();
    } catch {
      this.#parts.clear();
    }
  }

  get(name: string): Buffer | undefined {
    return this.#parts.get(name);
  }

  #read(): void {
    const fd = openSync(this.#file, "r");
    try {
      const { uid, mode } = fstatSync(fd);
      if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) return;
      const whole = readFileSync(fd);
      const end = whole.indexOf("\n");
      let at = end + 1;
      const index = JSON.parse(whole.toString("utf8", 0, end)) as [string, number][];
      for (const [name, length] of index) {
        this.#parts.set(name, whole.subarray(at, at + length));
        at += length;
      }
      if (at !== whole.length) this.#parts.clear();
    } finally {
      closeSync(fd);
    }
  }

  write(scripts: ReadonlyMap<string, Script>): void {
    if (!this.isStale) return;
    try {
      const parts = [...scripts].map(
        ([name, script]) => [name, script.createCachedData()] as const,
      );
      const index = JSON.stringify(parts.map(([name, code]) => [name, code.length]));
      const folder = path.dirname(this.#file);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const text = `${this.#file}.${process.pid}`;
      writeFileSync(
        text,
        Buffer.concat([Buffer.from(`${index}\n`), ...parts.map(([, code]) => code)]),
        {
          mode: 0o600,
          flag: "wx",
        },
      );
      renameSync(text, this.#file);
      // Other builds and other versions of Node: nobody asks for them again, and who does makes them anew.
      for (const name of readdirSync(path.dirname(folder))) {
        if (name !== path.basename(folder))
          rmSync(path.join(path.dirname(folder), name), { recursive: true, force: true });
      }
    } catch {
      // A home that cannot be written only makes the next start slower.
    }
  }
}
