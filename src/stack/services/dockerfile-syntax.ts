import type { Syntax } from "../../resources/containers/build-source.ts";

/** A directive (`# NAME=VALUE`) of the comments that a Dockerfile may begin with. */
interface Directive {
  /** Of the Dockerfile, from 0. */
  readonly index: number;
  readonly name: string;
  readonly value: string;
}

/** They stand at the very top: the first line that is none ends them. */
function listDirectives(lines: readonly string[]): Directive[] {
  const found: Directive[] = [];
  for (const [index, line] of lines.entries()) {
    if (index === 0 && line.startsWith("#!")) continue;
    const [, name, value] = /^\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) break;
    found.push({ index, name: name.toLowerCase(), value });
  }
  return found;
}

/** What the `# syntax=` line asks for; undefined without one. */
export function readSyntax(text: string): Syntax | undefined {
  const directives = listDirectives(linesOf(text));
  const image = directives.find(({ name }) => name === "syntax")?.value ?? readOtherSyntax(text);
  if (image === undefined) return undefined;
  const [, tag] =
    /^(?:docker\.io\/)?docker\/dockerfile(?::([\w.-]+))?(?:@sha256:[0-9a-f]{64})?$/.exec(image) ??
    [];
  const isDockers = /^(?:docker\.io\/)?docker\/dockerfile(?:[:@]|$)/.test(image);
  if (!isDockers) return { kind: "own", image };
  const [, major, minor, labs] =
    /^(\d+)(?:\.(\d+))?(?:\.\d+)?(-labs|-experimental)?$/.exec(tag ?? "1") ?? [];
  const isLabs = labs !== undefined || tag === "labs";
  if (major === undefined && tag !== "labs" && tag !== "latest") return { kind: "own", image };
  const version = Number(major ?? 1) > 1 ? undefined : minor;
  return {
    kind: "docker",
    image,
    ...(version === undefined ? {} : { version: Number(version) }),
    isLabs,
  };
}

/** The other ways in which BuildKit lets a file say so: `// syntax=…`, and `{"syntax": "…"}`. */
function readOtherSyntax(text: string): string | undefined {
  const slashes = /^(?:#![^\n]*\n)?\s*\/\/\s*syntax\s*=\s*(\S+)/i.exec(text)?.[1];
  if (slashes !== undefined) return slashes;
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const { syntax } = JSON.parse(text) as { readonly syntax?: unknown };
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}

/** The Dockerfile without its `# syntax=` line; every other line keeps its number. */
export function withoutSyntax(text: string): string {
  const lines = linesOf(text);
  const directives = listDirectives(lines);
  const syntax = directives.filter(({ name }) => name === "syntax");
  const last = directives.at(-1);
  if (syntax.length === 0 || last === undefined) return text;
  // A comment in its place would end the directives behind it: it goes behind the last of them.
  const gone = new Set(syntax.map(({ index }) => index));
  const kept = lines.slice(0, last.index + 1).filter((_, index) => !gone.has(index));
  return [...kept, ...syntax.map(() => "#"), ...lines.slice(last.index + 1)].join("\n");
}

function linesOf(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/);
}
