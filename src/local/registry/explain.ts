import { HostkitError } from "../../errors.ts";
import type { ErrorCode, ErrorParts } from "../../errors.ts";
import { suggest } from "../../manifest/suggest.ts";
import type { ImageReference } from "../../writers/image-reference.ts";
import type { Answer } from "./exchange.ts";

/** What was asked, and of whom. */
export interface Question {
  readonly image: ImageReference;
  /** "from the host dx1", "from this machine" */
  readonly from: string;
  /** Who logged in; absent: nobody. */
  readonly user?: string;
  /** The registry's token service let them in: what is refused now is not the password. */
  readonly hasToken?: boolean;
}

/** Tags that are shown of a repository. */
const shownTags = 12;

function nameOf({ image: { name, tag = "latest" } }: Question): string {
  return `${name}:${tag}`;
}

function fail(
  question: Question,
  code: ErrorCode,
  parts: ErrorParts,
  cause?: unknown,
): HostkitError {
  const where = `${nameOf(question)}, asked ${question.from}`;
  return new HostkitError(code, { where, ...parts }, cause === undefined ? {} : { cause });
}

/** The key of the manifest, as one pastes it. */
function entryOf({ image: { registry } }: Question, value: string): string {
  return `registries: { ${JSON.stringify(registry)}: { ${value} } }`;
}

/** What a registry answers that has not what was asked for, or does not give it. */
export function explainAnswer(
  question: Question,
  answer: Pick<Answer, "status" | "headers" | "body">,
  tags: readonly string[],
): HostkitError {
  const { registry } = question.image;
  const { status } = answer;
  const codes = readErrorCodes(answer.body);
  if (status === 401) return explainUnauthorized(question);
  if (status === 403)
    return fail(question, "registry_refused", {
      what: `${registry} does not let ${question.user ?? "anybody without a login"} pull ${nameOf(question)}`,
      why: "the registry answers 403: known, and not allowed to",
      next:
        question.user === undefined
          ? `log in: ${entryOf(question, "user: NAME, password: SECRET")}`
          : `give ${question.user} the right to read ${question.image.repository} at ${registry}, or take another user`,
    });
  if (status === 404) return explainMissing(question, codes, tags);
  if (status === 429) return explainLimited(question, answer);
  return fail(question, "registry_unreachable", {
    what: `${registry} does not answer as a registry does`,
    why: `status ${status}${codes.length === 0 ? "" : `, ${codes.join(", ")}`}`,
    next: `see whether it is one, and well: curl -i https://${registry}/v2/`,
  });
}

function explainUnauthorized(question: Question): HostkitError {
  const { image, user, hasToken } = question;
  const { registry, repository } = image;
  if (hasToken === true)
    return fail(question, "registry_refused", {
      what: `${registry} has no repository ${repository}, or ${user ?? "nobody without a login"} may ${user === undefined ? "" : "not "}pull it`,
      why: "it answers 401 to a token that it has just given, and does not tell the two apart",
      next:
        user === undefined
          ? `mend \`image\` in the manifest, or log in: ${entryOf(question, "user: NAME, password: SECRET")}`
          : `mend \`image\` in the manifest, or give ${user} the right to read ${repository}`,
    });
  if (user === undefined)
    return fail(question, "registry_refused", {
      what: `${registry} wants a login for ${nameOf(question)}`,
      why: "it answers 401 to somebody without one; some registries say so too where there is no such repository",
      next: `${entryOf(question, "user: NAME, password: SECRET")}   with the value of SECRET in the environment or in .hostkit/secrets`,
    });
  return fail(question, "registry_refused", {
    what: `${registry} does not take the user ${user} with this password`,
    why: "it answers 401",
    next: `check \`user\` and the secret of registries[${JSON.stringify(registry)}].password; by hand: docker login -u ${user} ${registry}`,
  });
}

function explainMissing(
  question: Question,
  codes: readonly string[],
  tags: readonly string[],
): HostkitError {
  const { registry, repository, tag = "latest" } = question.image;
  if (codes.includes("NAME_UNKNOWN") || codes.includes("NAME_INVALID"))
    return explainMissingRepository(question);
  const meant = suggest(tag, tags);
  return fail(question, "image_missing", {
    what: `${registry}/${repository} has no tag ${tag}${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    why:
      tags.length === 0
        ? "the registry answers 404"
        : `it has: ${tags.slice(-shownTags).join(", ")}${tags.length > shownTags ? `, and ${tags.length - shownTags} more` : ""}`,
    next: "mend `image` in the manifest, or push the image first",
  });
}

/** Nothing was ever pushed under that name. */
export function explainMissingRepository(question: Question): HostkitError {
  const { registry, repository } = question.image;
  return fail(question, "image_missing", {
    what: `${registry} has no repository ${repository}`,
    why: "the registry answers 404: the name is wrong, or nothing was pushed there",
    next: "mend `image` in the manifest, or push the image first",
  });
}

function explainLimited(question: Question, { headers }: Pick<Answer, "headers">): HostkitError {
  const after = headers["retry-after"];
  return fail(question, "registry_limited", {
    what: `${question.image.registry} answers no more for now`,
    why: `status 429: too many requests${typeof after === "string" && /^\d{1,6}$/.test(after) ? `; it says to wait ${after} s` : ""}`,
    next:
      question.user === undefined
        ? `wait, or log in, which mostly allows more: ${entryOf(question, "user: NAME, password: SECRET")}`
        : "the same command again later",
  });
}

/** An answer that no host could run. */
export function explainUnfit(question: Question, why: string): HostkitError {
  return fail(question, "image_unfit", {
    what: `${nameOf(question)} cannot be run`,
    why,
    next: "name another tag in the manifest",
  });
}

/** What an error says about the connection; the words are those of Node's, OpenSSL's and sshd's. */
const troubles: readonly {
  readonly pattern: RegExp;
  readonly what: string;
  readonly why: string;
  readonly next: (registry: string) => string;
}[] = [
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|EAI_|Name or service not known|name resolution|No address associated|getaddrinfo/i,
    what: "has a name that cannot be resolved",
    why: "DNS does not know it, or does not answer",
    next: (registry) =>
      `check the name in \`image\`: getent hosts ${registry.replace(/:\d+$/, "")}`,
  },
  {
    pattern: /ECONNREFUSED|Connection refused/i,
    what: "refuses the connection",
    why: "nothing listens there, or a firewall rejects it",
    next: (registry) => `see whether the registry runs, and on this port: ${registry}`,
  },
  {
    pattern: /timed out|ETIMEDOUT/i,
    what: "does not answer",
    why: "no answer in time",
    next: (registry) =>
      `see whether it is up, and the firewalls in between: curl -I https://${registry}/v2/`,
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|No route to host|Network is unreachable/i,
    what: "cannot be reached",
    why: "there is no way to its address",
    next: () => "check the address and the network",
  },
  {
    pattern: /self.signed|unable to (?:verify|get)|UNABLE_TO_|SELF_SIGNED|issuer certificate/i,
    what: "has a certificate that nobody known has signed",
    why: "its authority is not among the public ones",
    next: (registry) =>
      `name the file with the authority's certificate: registries: { ${JSON.stringify(registry)}: { ca: FILE.pem } }`,
  },
  {
    pattern: /CERT_HAS_EXPIRED|certificate has expired/i,
    what: "has a certificate that has expired",
    why: "TLS refuses it, and so would the host",
    next: () => "renew the registry's certificate",
  },
  {
    pattern: /ALTNAME_INVALID|altnames/i,
    what: "has a certificate for another name",
    why: "TLS refuses it, and so would the host",
    next: () => "name the registry in `image` as its certificate does",
  },
  {
    pattern: /wrong version number|packet length too long|EPROTO|plain HTTP/i,
    what: "does not speak TLS",
    why: "what answers is plain HTTP, which Docker refuses but on the host itself",
    next: () => "give the registry a certificate",
  },
];

/** What failed before there was an answer. Errors that say all themselves stay as they are. */
export function explainNoAnswer(question: Question, error: unknown): HostkitError {
  if (error instanceof HostkitError) return error;
  const { registry } = question.image;
  const nested = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  const said = [error, ...nested]
    .map((one) =>
      one instanceof Error
        ? `${one.message} ${String((one as NodeJS.ErrnoException).code ?? "")}`.trim()
        : String(one),
    )
    .join("; ")
    .replaceAll(/\s+/g, " ")
    .slice(0, 300);
  const known = troubles.find(({ pattern }) => pattern.test(said));
  return fail(
    question,
    "registry_unreachable",
    {
      what: `${registry} ${known?.what ?? "does not answer as a registry does"}`,
      why: known === undefined ? said : `${known.why} (${said})`,
      next:
        known?.next(registry) ?? `see whether it is one, and well: curl -i https://${registry}/v2/`,
    },
    error,
  );
}

function readErrorCodes(body: Buffer): string[] {
  try {
    const { errors } = JSON.parse(body.toString("utf8")) as { errors?: unknown };
    return (Array.isArray(errors) ? errors : []).flatMap((one: unknown) => {
      const { code } = (one ?? {}) as { code?: unknown };
      return typeof code === "string" && /^[A-Z_]{1,40}$/.test(code) ? [code] : [];
    });
  } catch {
    return [];
  }
}
