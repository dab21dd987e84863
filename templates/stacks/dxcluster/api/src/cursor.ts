/** Where a page of spots ended, as an opaque word. Pure. */
import { BadRequest } from "./parameters.ts";

export interface Cursor {
  /** The `order_by` it belongs to, in its plain form. */
  readonly order: string;
  /** The last spot's value of the field it is sorted by; null when that is the time. */
  readonly value: string | null;
  /** The last spot's time, microseconds since 1970. */
  readonly at: number;
  readonly id: number;
}

const form = /^(\w{1,20} (?:ASC|DESC))\|([^|]{0,40})\|(\d{1,17})\|(\d{1,16})$/;

export function writeCursor({ order, value, at, id }: Cursor): string {
  return Buffer.from(`${order}|${value ?? ""}|${at}|${id}`).toString("base64url");
}

/** @throws BadRequest when the text is no cursor, or one of another order. */
export function readCursor(text: string, order: string): Cursor {
  const match = /^[\w-]{1,200}$/.test(text)
    ? form.exec(Buffer.from(text, "base64url").toString())
    : null;
  const [, written, value = "", at, id] = match ?? [];
  if (written === undefined)
    throw new BadRequest("cursor is not one that this API gave: take next_cursor as it is");
  if (written !== order)
    throw new BadRequest(`cursor belongs to order_by=${written}: ask with the same order_by`);
  const field = order.split(" ")[0];
  if (field === "frequency" && !/^\d{1,10}(?:\.\d{1,3})?$/.test(value))
    throw new BadRequest("cursor is not one that this API gave: take next_cursor as it is");
  return { order, value: field === "timestamp" ? null : value, at: Number(at), id: Number(id) };
}
