import { createHash } from "node:crypto";
import type { LockedImage } from "../../manifest/lock.ts";
import { addressOfRegistry } from "../../writers/image-reference.ts";
import type { ImageReference } from "../../writers/image-reference.ts";
import { exchange } from "./exchange.ts";
import type { Answer, Line, OpenTcp } from "./exchange.ts";
import {
  explainAnswer,
  explainMissingRepository,
  explainNoAnswer,
  explainUnfit,
} from "./explain.ts";
import type { Question } from "./explain.ts";
import { acceptedTypes, readConfigPlatform, readManifestAnswer } from "./manifest-answer.ts";
import { authorize } from "./token.ts";
import type { Login } from "./token.ts";

/** What Docker itself takes at most. */
const manifestBytes = 4 * 1024 * 1024;
const tagsBytes = 1024 * 1024;
const mostRedirects = 3;

/** A registry, as it is asked. */
export interface RegistryAccess {
  readonly open: OpenTcp;
  /** "from the host dx1", for messages. */
  readonly from: string;
  readonly login?: Login;
  /** PEM. */
  readonly ca?: string;
}

/**
 * Asks a registry which image a tag means now.
 * @param known what the lock says: where it is the same still, that is told with one small question
 * @throws HostkitError registry_refused, registry_unreachable, registry_limited, image_missing, image_unfit
 */
export async function lookUpImage(
  image: ImageReference,
  access: RegistryAccess,
  known?: LockedImage,
): Promise<LockedImage> {
  const asker = new RegistryAsker(image, access);
  if (known !== undefined && (await asker.askDigest()) === known.digest) return known;
  const { body } = await asker.ask(asker.manifestPath(), acceptedTypes, manifestBytes);
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const said = readManifestAnswer(body.toString("utf8"));
  if ("unfit" in said) throw explainUnfit(asker.question, said.unfit);
  const platforms = "platforms" in said ? said.platforms : await asker.askPlatforms(said.config);
  if (platforms.length === 0)
    throw explainUnfit(asker.question, "its configuration does not say for which platform it is");
  return { digest, platforms };
}

/** Talks to one registry about one image. */
class RegistryAsker {
  readonly question: Question;
  readonly #image: ImageReference;
  readonly #line: Line;
  readonly #login: Login | undefined;
  readonly #origin: string;
  #authorization: string | undefined;

  constructor(image: ImageReference, { open, from, login, ca }: RegistryAccess) {
    const { host, port, isLoopback } = addressOfRegistry(image.registry);
    const isPlain = isLoopback && ca === undefined;
    this.#image = image;
    this.#login = login;
    this.#line = { open, isPlain, ...(ca === undefined ? {} : { ca }) };
    this.#origin = `${isPlain ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.question = { image, from, ...(login === undefined ? {} : { user: login.user }) };
  }

  manifestPath(): string {
    return `manifests/${this.#image.tag ?? "latest"}`;
  }

  /** The digest alone, which no registry counts as a pull; undefined where it does not say. */
  async askDigest(): Promise<string | undefined> {
    const { headers, status } = await this.#send(this.manifestPath(), acceptedTypes, 0, "HEAD");
    const digest = headers["docker-content-digest"];
    return status === 200 && typeof digest === "string" ? digest : undefined;
  }

  async askPlatforms(config: string): Promise<string[]> {
    const { body } = await this.ask(`blobs/${config}`, "*/*", manifestBytes);
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    if (digest !== config)
      throw explainNoAnswer(this.question, new Error("what it sends is not what its digest says"));
    return readConfigPlatform(body.toString("utf8"));
  }

  /** @throws HostkitError unless the registry has it */
  async ask(path: string, accept: string, maxBytes: number): Promise<Answer> {
    const answer = await this.#send(path, accept, maxBytes, "GET");
    if (answer.status === 200) return answer;
    const tags = answer.status === 404 ? await this.#listTags() : [];
    if (tags === "no repository") throw explainMissingRepository(this.question);
    const hasToken = this.#authorization?.startsWith("Bearer ") === true;
    throw explainAnswer({ ...this.question, hasToken }, answer, tags);
  }

  /**
   * What else there is, for whoever mistyped a tag; nothing where the registry does not say. Of a manifest many say that it is unknown,
   * of its tags that the repository is.
   */
  async #listTags(): Promise<string[] | "no repository"> {
    try {
      const { status, body } = await this.#send("tags/list?n=1000", "application/json", tagsBytes);
      if (status === 404) return "no repository";
      const { tags } = JSON.parse(body.toString("utf8")) as { tags?: unknown };
      return status === 200 && Array.isArray(tags)
        ? tags.filter((tag) => typeof tag === "string" && /^\w[\w.-]{0,127}$/.test(tag))
        : [];
    } catch {
      return [];
    }
  }

  async #send(
    path: string,
    accept: string,
    maxBytes: number,
    method: "GET" | "HEAD" = "GET",
  ): Promise<Answer> {
    const url = new URL(`${this.#origin}/v2/${this.#image.repository}/${path}`);
    try {
      const once = () => this.#follow(url, accept, maxBytes, method);
      const answer = await once();
      if (answer.status !== 401 || this.#authorization !== undefined) return answer;
      const scope = `repository:${this.#image.repository}:pull`;
      const admission = await authorize(this.#line, answer, scope, this.#login);
      if ("noWay" in admission) throw new Error(admission.noWay);
      if ("refused" in admission) throw explainAnswer(this.question, admission.refused, []);
      this.#authorization = admission.authorization;
      return await once();
    } catch (error) {
      throw explainNoAnswer(this.question, error);
    }
  }

  /** Blobs may lie elsewhere: whoever the registry sends to gets no password. */
  async #follow(
    from: URL,
    accept: string,
    maxBytes: number,
    method: "GET" | "HEAD",
  ): Promise<Answer> {
    let url = from;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const isOwn = url.origin === from.origin;
      const answer = await exchange(this.#line, {
        url,
        method,
        // A refusal is told in a few words, however little was asked for.
        maxBytes: Math.max(maxBytes, 64 * 1024),
        headers: {
          accept,
          ...(isOwn && this.#authorization !== undefined
            ? { authorization: this.#authorization }
            : {}),
        },
      });
      const { location } = answer.headers;
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined)
        return answer;
      if (!URL.canParse(location, url.href)) break;
      url = new URL(location, url.href);
      if (url.protocol !== from.protocol && url.protocol !== "https:")
        throw new Error("it sends to an address without TLS");
    }
    throw new Error("it sends from one address to the next");
  }
}
