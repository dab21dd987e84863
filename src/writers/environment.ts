import { quoteWord } from "../shell/quote.ts";
import { refuseControl, refuseForSystemd, UnwritableError } from "./written.ts";

/** Variables of a process, by name. */
export type Environment = Readonly<Record<string, string>>;

/** execve(2): one string of the environment is at most 32 pages long, its NUL included. */
const longestVariable = 131_071;
/** Docker reads its files with a line of at most 64 KiB. */
const longestDockerLine = 65_535;

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/**
 * systemd.exec(5) `EnvironmentFile=`: values in double quotes, in which `\ " $ \`` are escaped. systemd drops, silently, names
 * that no shell could have and values with control characters other than tabulators and line breaks.
 * @throws UnwritableError
 */
export function writeSystemdVariable(name: string, value: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new UnwritableError(
      `systemd passes on no variable of that name to a native program: letters, digits and _ are possible, the first no digit${/^[A-Za-z][A-Za-z0-9.-]*$/.test(name) ? ` (programs that take such names mostly read ${name.replaceAll(/[.-]/g, "_").toUpperCase()} too)` : ""}`,
    );
  refuseForSystemd(value, "\n\t");
  refuseLong(name, value);
  return `${name}="${value.replace(/[\\"$`]/g, "\\$&")}"\n`;
}

/** A whole environment file for systemd. */
export function writeSystemdEnvironment(environment: Environment): string {
  return Object.entries(environment)
    .map(([name, value]) => writeSystemdVariable(name, value))
    .join("");
}

/** How the variables of a container reach it. */
export interface DockerEnvironment {
  /** docker-run(1) `--env-file`. */
  readonly file: string;
  /** Shell text that exports what a line cannot hold: for `--env NAME`, which takes the value from Docker's own environment. */
  readonly exports: string;
  /** Names of the exported variables. */
  readonly exported: readonly string[];
}

/**
 * Variables for a container. The file's lines are `NAME=value`, the value as it stands to the end of the line, without quotes
 * and escapes; a line that begins with `#` is a comment, and a carriage return at its end is part of the line break.
 * @throws UnwritableError
 */
export function writeDockerEnvironment(environment: Environment): DockerEnvironment {
  const all = Object.entries(environment);
  for (const [name, value] of all) refuseDockerVariable(name, value);
  const exported = all.filter(([name, value]) => !fitsLine(name, value));
  return {
    file: all
      .filter(([name, value]) => fitsLine(name, value))
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
    exports: exported.map(([name, value]) => `export ${name}=${quoteWord(value)}\n`).join(""),
    exported: exported.map(([name]) => name),
  };
}

/** @throws UnwritableError for a variable that no container can be given */
export function refuseDockerVariable(name: string, value: string): void {
  if (name === "" || /[\s=\u0000-\u001f\u007f]/.test(name) || name.startsWith("#"))
    throw new UnwritableError(
      "a container takes no variable of that name: no blanks and no =, and no # in front",
    );
  refuseControl(value, everyControl);
  refuseLong(name, value);
  if (fitsLine(name, value)) return;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || clientVariable.test(name))
    throw new UnwritableError(
      `a variable of that name holds one line of at most ${longestDockerLine} bytes in a container`,
    );
}

/** All but NUL, which no variable can hold. */
const everyControl = String.fromCharCode(...Array.from({ length: 31 }, (_, at) => at + 1), 127);

/** What means something to the launcher's shell or to Docker's client. */
const clientVariable =
  /^(?:PATH|HOME|ENV|IFS|PWD|OLDPWD|SHELL|PPID|OPT[A-Z]+|PS\d|LC_.*|LANG|LD_.*|GO[A-Z]+|SSL_.*|DOCKER_.*|BUILDKIT_.*|NOTIFY_SOCKET|TMPDIR|TERM|(?:HTTPS?|NO|ALL|FTP)_PROXY|[a-z_]+)$/;

function fitsLine(name: string, value: string): boolean {
  return !/[\n\r]/.test(value) && bytesOf(`${name}=${value}`) <= longestDockerLine;
}

function refuseLong(name: string, value: string): void {
  const bytes = bytesOf(`${name}=${value}`);
  if (bytes > longestVariable)
    throw new UnwritableError(
      `it has ${bytesOf(value)} bytes, and the kernel takes ${longestVariable} for name and value together`,
    );
}
