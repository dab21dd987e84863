/** Bytes, or a text as UTF-8, in base64. */
export function base64Of(value: string | Uint8Array): string {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return btoa(Array.from(bytes, (byte) => String.fromCodePoint(byte)).join(""));
}
