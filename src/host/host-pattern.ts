/**
 * Host name patterns of ssh_config(5) and known_hosts: `*` any run of characters, `?` exactly one, `!` negates.
 */

/** True when a whole name fits one pattern (no list, no negation); letters compare without case. */
export function matchPattern(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = name.toLowerCase();
  // Two pointers with one point of return: linear space and no regular expression built from foreign text.
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < given.length) {
    const symbol = wanted[p];
    if (symbol === "*") {
      star = p++;
      resume = n;
    } else if (symbol !== undefined && (symbol === "?" || symbol === given[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (wanted[p] === "*") p++;
  return p === wanted.length;
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
