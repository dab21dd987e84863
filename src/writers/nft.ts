import { refuseControl, UnwritableError, written } from "./written.ts";
import type { Written } from "./written.ts";

/** Comments of nft(8) are strings without escapes, of at most 128 bytes with their NUL. */
const longestComment = 127;

/**
 * A string in quotes: comments and names of interfaces.
 * @throws UnwritableError for a quote, which nothing can write
 */
export function nftString(value: string): Written<"nft"> {
  refuseControl(value);
  if (value.includes('"')) throw new UnwritableError("nft has no way to write a quote");
  if (new TextEncoder().encode(value).length > longestComment)
    throw new UnwritableError(`nft takes at most ${longestComment} bytes`);
  return written("nft", `"${value}"`);
}

/** A port, or the first and last of a range. */
export function nftPorts(first: number, last = first): Written<"nft"> {
  for (const port of [first, last]) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new UnwritableError(`${port} is no port`);
  }
  return written("nft", first === last ? String(first) : `${first}-${last}`);
}

/** An address or block; the manifest has checked that it is one. */
export function nftBlock(block: string): Written<"nft"> {
  if (!/^[0-9A-Fa-f.:]+(?:\/\d{1,3})?$/.test(block)) throw new UnwritableError("it is no address");
  return written("nft", block);
}

/** nft text whose interpolations come from this writer; literal parts are rules. */
export function nft(
  strings: TemplateStringsArray,
  ...values: readonly Written<"nft">[]
): Written<"nft"> {
  return written(
    "nft",
    strings.reduce((text, part, at) => text + (values[at - 1]?.text ?? "") + part),
  );
}
