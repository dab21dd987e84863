import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/** SHA-256 of UTF-8 text, in lower-case hex: what `sha256sum` prints for the same bytes. */
export function hashText(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** SHA-256 over the host's key (hex text as it stands in its file), the secret and a newline: what a here-document of them holds. */
export function hashSecret(key: string, secret: string | Uint8Array): string {
  return bytesToHex(sha256(concatBytes(utf8ToBytes(key), bytesOf(secret), utf8ToBytes("\n"))));
}

/** The bytes of text or of what is none. */
export function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? utf8ToBytes(content) : content;
}
