import { basicCredentials } from "../../writers/docker-config.ts";
import { isLoopbackName } from "../../writers/image-reference.ts";
import type { Answer, Line } from "./exchange.ts";
import { exchange } from "./exchange.ts";

/** What a registry wants before it answers (RFC 9110 section 11.6.1). */
interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const tokenBytes = 1024 * 1024;

/** The challenges in a WWW-Authenticate header; what is none is left out. */
export function readChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  const pattern = /(?:^|[\s,])([A-Za-z][\w-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;
  for (const [, word = "", quoted, bare] of header.slice(0, 8192).matchAll(pattern)) {
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? bare;
    if (value === undefined) found.push({ scheme: word.toLowerCase(), parameters: new Map() });
    else found.at(-1)?.parameters.set(word.toLowerCase(), value);
  }
  return found;
}

export interface Login {
  readonly user: string;
  readonly password: string | Uint8Array;
}

/** The way in: a header for what is asked next; or nobody is let in, and how that was said. */
export type Admission =
  | { readonly authorization: string }
  | { readonly refused: Answer }
  | { readonly noWay: string };

/**
 * Does what a registry asked for with its 401: a token of its token service, or the password itself.
 * @param scope `repository:NAME:pull`
 */
export async function authorize(
  line: Line,
  unauthorized: Answer,
  scope: string,
  login: Login | undefined,
): Promise<Admission> {
  const challenges = readChallenges(String(unauthorized.headers["www-authenticate"] ?? ""));
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  const basic = login === undefined ? undefined : `Basic ${basicCredentials(login)}`;
  if (bearer === undefined) {
    if (basic !== undefined && challenges.some(({ scheme }) => scheme === "basic"))
      return { authorization: basic };
    return { refused: unauthorized };
  }
  const realm = readRealm(bearer.parameters.get("realm"), line.isPlain);
  if (realm === undefined)
    return { noWay: "it sends to a token service that is no https:// address" };
  const service = bearer.parameters.get("service");
  if (service !== undefined) realm.searchParams.set("service", service);
  realm.searchParams.set("scope", bearer.parameters.get("scope") ?? scope);
  if (login !== undefined) realm.searchParams.set("account", login.user);
  const answer = await exchange(
    { ...line, isPlain: realm.protocol === "http:" },
    {
      url: realm,
      maxBytes: tokenBytes,
      ...(basic === undefined ? {} : { headers: { authorization: basic } }),
    },
  );
  if (answer.status !== 200) return { refused: answer };
  const token = readToken(answer.body);
  return token === undefined
    ? { noWay: "its token service gives no token" }
    : { authorization: `Bearer ${token}` };
}

/** A password goes to nobody over a line that others can read. */
function readRealm(realm: string | undefined, mayBePlain: boolean): URL | undefined {
  if (realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  return url.protocol === "https:" ||
    (mayBePlain &&
      url.protocol === "http:" &&
      isLoopbackName(url.hostname.replace(/^\[(.*)\]$/, "$1")))
    ? url
    : undefined;
}

function readToken(body: Buffer): string | undefined {
  try {
    const { token, access_token: other } = JSON.parse(body.toString("utf8")) as Record<
      string,
      unknown
    >;
    const found = token ?? other;
    return typeof found === "string" && /^[!-~]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
