/**
 * Host name patterns of ssh_config(5) and known_hosts: `*` any run of characters, `?` exactly one, `!` negates.
 */

/** True when a whole name fits one pattern (no list, no negation), letter for letter. */
export function matchPattern(pattern: string, name: string): boolean {
  // Two pointers with one point of return: linear space and no regular expression built from foreign text.
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    const symbol = pattern[p];
    if (symbol === "*") {
      star = p++;
      resume = n;
    } else if (symbol !== undefined && (symbol === "?" || symbol === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** True when a pattern of the list fits and no negated one does: a negated match always wins. */
export function matchPatternList(patterns: readonly string[], name: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    if (pattern.startsWith("!")) {
      if (matchPattern(pattern.slice(1), name)) return false;
    } else if (matchPattern(pattern, name)) {
      matched = true;
    }
  }
  return matched;
}

/** The same for host names, where letters of any case are the same: known_hosts and `Match host`. */
export function matchHostList(patterns: readonly string[], name: string): boolean {
  return matchPatternList(
    patterns.map((pattern) => pattern.toLowerCase()),
    name.toLowerCase(),
  );
}
