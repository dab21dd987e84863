import { z } from "zod";
import type { Proxy, Route, Site, Tls } from "../manifest.ts";
import { compareText, sortKeys, sortNamed } from "../order.ts";
import {
  choice,
  hostNamePattern,
  httpsUrl,
  label,
  line,
  localPath,
  mapping,
  named,
  size,
  text,
} from "../values.ts";

const defaultMaxBodyBytes = 10 * 1024 ** 2;

const siteName = () =>
  text(
    'a host name such as "dx.example.org", "*.example.org" or an IP address',
    new RegExp(
      String.raw`^(?:(?:\*\.)?${hostNamePattern.source.slice(1, -1)}|(?=.*:.*:)[0-9A-Fa-f:.]{2,45})$`,
    ),
  );

const tlsFiles = mapping({
  certificate: localPath("the path of a PEM file").meta({
    description: "PEM file with the certificate and its chain, on this machine.",
  }),
  key: localPath("the path of a PEM file").meta({
    description: "PEM file with the private key, on this machine.",
  }),
});

const routePath = () =>
  text(
    'a path such as "/api/*" or "/health" ("*" only at the end)',
    /^\/[A-Za-z0-9._~!$&'()+,;=:@%/-]*\*?$/,
  );

const siteSchema = mapping({
  tls: z
    .union([choice(["acme", "internal"]), tlsFiles])
    .optional()
    .meta({
      description:
        "acme: a certificate from Let's Encrypt or `acme_directory`. internal: from a CA made on the host, for names the public cannot reach. {certificate, key}: your own files. Default: acme.",
      examples: ["acme"],
    }),
  routes: z
    .union([label(), named(routePath(), label(), "paths to web services")])
    .optional()
    .meta({
      description:
        'Which web service answers which path; the most specific path wins. "/api/*" is everything below /api/, "/*" is everything, "/health" is exactly that. A name alone stands for {"/*": name}.',
      examples: [{ "/api/*": "api", "/*": "dashboard" }],
    }),
  redirect: text(
    "an http:// or https:// URL",
    /^https?:\/\/[^\s/?#"'\\<>{}|^`]+(?:\/[^\s"'\\<>{}|^`?#]*)?$/,
  )
    .optional()
    .meta({
      description: "Instead of routes: send every request to this URL, path and query kept.",
      examples: ["https://dx.example.org"],
    }),
  headers: named(
    text("a header name", /^[A-Za-z0-9-]{1,64}$/),
    line("a header value of one line"),
    "header names to values",
  )
    .optional()
    .meta({
      description:
        "Headers to add to every answer, besides the security headers that are always there.",
      examples: [{ "Cross-Origin-Opener-Policy": "same-origin" }],
    }),
  max_body: size().optional().meta({ description: "Largest request body. Default: 10M." }),
});

export const proxySectionSchema = mapping({
  email: text("an e-mail address", /^[^\s@"'\\{}]+@[^\s@"'\\{}]+\.[^\s@"'\\{}]+$/)
    .optional()
    .meta({
      description: "Where the certificate authority writes when a certificate is about to expire.",
      examples: ["ops@example.org"],
    }),
  acme_directory: httpsUrl("an https:// URL")
    .optional()
    .meta({
      description: "Directory URL of another ACME authority. Default: Let's Encrypt.",
      examples: ["https://acme-staging-v02.api.letsencrypt.org/directory"],
    }),
  acme_ca_root: localPath("the path of a PEM file").optional().meta({
    description:
      "PEM file with the root that `acme_directory` itself is trusted by; for private authorities.",
  }),
  sites: named(siteName(), siteSchema, "host names to {tls, routes, …}")
    .optional()
    .meta({
      description:
        "Host names that are served, with HTTPS, HTTP/2, HTTP/3 and a redirect from HTTP.",
      examples: [
        { "dx.example.org": { tls: "acme", routes: { "/api/*": "api", "/*": "dashboard" } } },
      ],
    }),
}).meta({
  description: "The TLS reverse proxy (Caddy) in front of the web services.",
  examples: [
    {
      email: "ops@example.org",
      sites: {
        "dx.example.org": { tls: "acme", routes: { "/api/*": "api", "/*": "dashboard" } },
        "www.dx.example.org": { redirect: "https://dx.example.org" },
      },
    },
  ],
});

export type WrittenProxy = z.output<typeof proxySectionSchema>;
export type WrittenSite = NonNullable<WrittenProxy["sites"]>[string];

/** One spelling for one name: lower case, no trailing dot. */
export function canonicalSiteName(written: string): string {
  return written.toLowerCase().replace(/\.$/, "");
}

export function normalizeProxy(written: WrittenProxy): Proxy {
  return {
    ...(written.email === undefined ? {} : { email: written.email }),
    ...(written.acme_directory === undefined ? {} : { acmeDirectory: written.acme_directory }),
    ...(written.acme_ca_root === undefined ? {} : { acmeCaRoot: written.acme_ca_root }),
    sites: sortNamed(
      Object.entries(written.sites ?? {}).map(([name, site]) => normalizeSite(name, site)),
    ),
  };
}

function normalizeSite(name: string, site: WrittenSite): Site {
  return {
    name: canonicalSiteName(name),
    tls: normalizeTls(site.tls),
    routes: normalizeRoutes(site.routes),
    ...(site.redirect === undefined ? {} : { redirect: site.redirect.replace(/\/+$/, "") }),
    headers: sortKeys(site.headers ?? {}),
    maxBodyBytes: site.max_body ?? defaultMaxBodyBytes,
  };
}

function normalizeTls(written: WrittenSite["tls"]): Tls {
  if (written === undefined || typeof written === "string") return { kind: written ?? "acme" };
  return { kind: "files", certificate: written.certificate, key: written.key };
}

/** Exact paths before prefixes, longer before shorter: the order in which a proxy may try them. */
function normalizeRoutes(written: WrittenSite["routes"]): Route[] {
  const routes = typeof written === "string" ? { "/*": written } : (written ?? {});
  const rank = (path: string) => (path.endsWith("*") ? 1 : 0);
  return Object.entries(routes)
    .map(([path, to]) => ({ path, to }))
    .toSorted(
      (left, right) =>
        rank(left.path) - rank(right.path) ||
        right.path.length - left.path.length ||
        compareText(left.path, right.path),
    );
}
