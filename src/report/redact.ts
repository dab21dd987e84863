/** Takes secret values out of everything that is shown or logged. */
export interface Redactor {
  /** Remembers a secret. Of texts with several lines (keys, env files) each long line counts too. */
  add(secret: string): void;
  hide(text: string): string;
}

/** Shorter values would blacken half of every text, and are no secrets worth the name. */
const shortest = 4;
const mark = "[secret]";

export function createRedactor(): Redactor {
  const known = new Set<string>();
  let longestFirst: string[] = [];
  const remember = (text: string) => {
    if (text.length < shortest) return;
    known.add(text);
    // As it stands within a JSON string.
    known.add(JSON.stringify(text).slice(1, -1));
  };
  return {
    add(secret) {
      remember(secret);
      remember(secret.trim());
      const lines = secret.split("\n");
      if (lines.length > 1) {
        for (const line of lines) {
          const isBorder = line.startsWith("-----");
          if (line.trim().length >= 16 && !isBorder) remember(line.trim());
        }
      }
      longestFirst = [...known].sort((left, right) => right.length - left.length);
    },
    hide(text) {
      let hidden = text;
      for (const secret of longestFirst) hidden = hidden.replaceAll(secret, mark);
      return hidden;
    },
  };
}
