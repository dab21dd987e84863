import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** SHA-256 of UTF-8 text, in lower-case hex: what `sha256sum` prints for the same bytes. */
export function hashText(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** SHA-256 over the host's key (hex text as it stands in its file), the secret and a newline: what a here-document of them holds. */
export function hashSecret(key: string, secret: string): string {
  return bytesToHex(sha256(utf8ToBytes(`${key}${secret}\n`)));
}
