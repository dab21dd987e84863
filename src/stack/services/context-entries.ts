/** How the paths of `COPY`, `ADD` and mounts meet the entries of a build context. */

/** A source as an entry is named: no `./`, no `..`, no slash at its end; "" is the context itself. */
export function plainPath(source: string): string {
  const parts: string[] = [];
  for (const part of source.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Whether a path is meant as a pattern. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** Go's filepath.Match; `**` of newer builders too; undefined where it is none. */
export function globOf(pattern: string): RegExp | undefined {
  const escaped = pattern.replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`);
  try {
    return new RegExp(
      `^${escaped
        .replaceAll(/\*\*\/?/g, "\u0000")
        .replaceAll("*", "[^/]*")
        .replaceAll("?", "[^/]")
        .replaceAll("\u0000", ".*")}$`,
    );
  } catch {
    return undefined;
  }
}

/** An entry is the path itself or lies below it. */
export function isWithin(entry: string, path: string): boolean {
  return path === "" || entry === path || entry.startsWith(`${path}/`);
}
