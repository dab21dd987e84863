/** Sends an answer with a name for its content (ETag), so that whoever has it already gets an empty 304. */
import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";

/** What an endpoint says: a JSON object without `timestamp`, or text of another type. */
export interface Said {
  readonly text: string;
  readonly type: string;
  readonly etag: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Every answer may be read by pages of other sites: there is nothing in it that is not public. */
export const openToAll = { "access-control-allow-origin": "*" } as const;

export function sayJson(body: object): Said {
  return say(JSON.stringify(body), "application/json; charset=utf-8");
}

export function say(text: string, type: string, headers?: Readonly<Record<string, string>>): Said {
  const etag = `W/"${createHash("sha1").update(text).digest("base64url").slice(0, 20)}"`;
  return { text, type, etag, ...(headers && { headers }) };
}

/** @param keep seconds that caches may keep it; 0: they ask each time. */
export function send(
  request: FastifyRequest,
  reply: FastifyReply,
  said: Said,
  keep: number,
): FastifyReply {
  void reply
    .header("cache-control", keep === 0 ? "no-cache" : `public, max-age=${keep}`)
    .header("etag", said.etag)
    .headers(said.headers ?? {});
  const held = (request.headers["if-none-match"] ?? "").split(/\s*,\s*/);
  if (held.includes(said.etag) || held.includes(said.etag.slice(2))) return reply.code(304).send();
  void reply.type(said.type);
  // The time of the answer is no part of what the ETag names.
  const isObject = said.type.startsWith("application/json") && said.text.endsWith("}");
  return reply.send(
    isObject
      ? `${said.text.slice(0, -1)}${said.text === "{}" ? "" : ","}"timestamp":"${new Date().toISOString()}"}`
      : said.text,
  );
}
