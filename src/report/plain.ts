import { stripVTControlCharacters } from "node:util";

/** Text that came from a host or a file, safe for a terminal: no colour codes, no cursor movement, no other control characters but tabs. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, "");
}
