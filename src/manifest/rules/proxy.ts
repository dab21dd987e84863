import type { Finding, Pointer } from "../problems.ts";
import { canonicalSiteName, type WrittenSite } from "../sections/proxy.ts";
import { complain, complainUnknown, type Rule, type RuleInput, warn } from "./rule.ts";

export const proxyRules: readonly Rule[] = [
  siteTwice,
  routesOrRedirect,
  routeTarget,
  routeTwice,
  startPageOnly,
  redirectLoop,
  acmeName,
  acmeEmail,
  acmeRoot,
  noSites,
];

function eachSite(
  { written }: RuleInput,
  visit: (name: string, site: WrittenSite, pointer: Pointer) => Finding[],
) {
  return Object.entries(written.proxy?.sites ?? {}).flatMap(([name, site]) =>
    visit(name, site, ["proxy", "sites", name]),
  );
}

function siteTwice(input: RuleInput): Finding[] {
  const seen = new Map<string, string>();
  return eachSite(input, (name, _, pointer) => {
    const canonical = canonicalSiteName(name);
    const other = seen.get(canonical);
    seen.set(canonical, other ?? name);
    return other === undefined
      ? []
      : [complain(pointer, `the same site as "${other}"`, { at: "key" })];
  });
}

function routesOrRedirect(input: RuleInput): Finding[] {
  return eachSite(input, (_, site, pointer) => {
    if (site.routes !== undefined && site.redirect !== undefined) {
      return [
        complain([...pointer, "redirect"], "a site has routes or redirect, not both", {
          at: "key",
        }),
      ];
    }
    if (site.redirect !== undefined) return [];
    const empty = typeof site.routes === "object" && Object.keys(site.routes).length === 0;
    return site.routes === undefined || empty
      ? [
          complain(pointer, "nothing says what this site answers", {
            at: "key",
            allowed: ["routes", "redirect"],
          }),
        ]
      : [];
  });
}

interface WrittenRoute {
  readonly path: string;
  readonly to: string;
  readonly pointer: Pointer;
}

function routesOf(site: WrittenSite, pointer: Pointer): WrittenRoute[] {
  const at = [...pointer, "routes"];
  if (typeof site.routes === "string") return [{ path: "/*", to: site.routes, pointer: at }];
  return Object.entries(site.routes ?? {}).map(([path, to]) => ({
    path,
    to,
    pointer: [...at, path],
  }));
}

function routeTarget(input: RuleInput): Finding[] {
  const { web, services } = input.declared;
  return eachSite(input, (_, site, pointer) =>
    routesOf(site, pointer).flatMap((route) => {
      if (web.has(route.to)) return [];
      if (services.has(route.to)) {
        return [
          complain(route.pointer, `"${route.to}" is in services; only entries of web answer HTTP`),
        ];
      }
      return [complainUnknown(route.pointer, `no web service "${route.to}"`, route.to, web)];
    }),
  );
}

/** Caddy compares paths without regard to case. */
function routeTwice(input: RuleInput): Finding[] {
  return eachSite(input, (_, site, pointer) => {
    const seen = new Map<string, string>();
    return routesOf(site, pointer).flatMap((route) => {
      const key = route.path.toLowerCase();
      const other = seen.get(key);
      seen.set(key, route.path);
      return other === undefined
        ? []
        : [complain(route.pointer, `the same path as "${other}"`, { at: "key" })];
    });
  });
}

function startPageOnly(input: RuleInput): Finding[] {
  return eachSite(input, (_, site, pointer) =>
    routesOf(site, pointer)
      .filter((route) => route.path === "/")
      .map((route) =>
        warn(route.pointer, 'only the start page; "/*" is everything', { at: "key" }),
      ),
  );
}

function redirectLoop(input: RuleInput): Finding[] {
  return eachSite(input, (name, site, pointer) => {
    const target = /^https?:\/\/([^/:]+)/.exec(site.redirect ?? "")?.[1];
    if (target === undefined || canonicalSiteName(target) !== canonicalSiteName(name)) return [];
    return [complain([...pointer, "redirect"], "redirects to itself")];
  });
}

/** RFC 2606, 6761, 6762, 8375 and ICANN's `.internal`: names that no public authority certifies. */
const privateName =
  /(?:^|\.)(?:local|localhost|internal|test|example|invalid|lan|home|corp|home\.arpa)$/;

function acmeName(input: RuleInput): Finding[] {
  const ownAuthority = input.written.proxy?.acme_directory !== undefined;
  return eachSite(input, (written, site, pointer) => {
    if (site.tls !== undefined && site.tls !== "acme") return [];
    const name = canonicalSiteName(written);
    const at = site.tls === undefined ? pointer : [...pointer, "tls"];
    const extra = {
      ...(site.tls === undefined ? { at: "key" as const } : {}),
      allowed: ["internal", "{certificate, key}"],
    };
    if (name.startsWith("*."))
      return [complain(at, "ACME over HTTP cannot prove a wildcard name", extra)];
    if (ownAuthority) return [];
    const isAddress = name.includes(":") || /^[\d.]+$/.test(name);
    if (isAddress)
      return [complain(at, "a public authority needs a host name, not an IP address", extra)];
    if (privateName.test(name) || !name.includes(".")) {
      return [complain(at, `no public authority certifies "${name}"`, extra)];
    }
    return [];
  });
}

function acmeEmail({ written }: RuleInput): Finding[] {
  const { proxy } = written;
  const acme = Object.values(proxy?.sites ?? {}).some(
    (site) => site.tls === undefined || site.tls === "acme",
  );
  if (proxy === undefined || !acme || proxy.email !== undefined) return [];
  return [
    warn(["proxy"], "without email nobody is told when a certificate is about to expire", {
      at: "key",
    }),
  ];
}

function acmeRoot({ written }: RuleInput): Finding[] {
  const { proxy } = written;
  if (proxy?.acme_ca_root === undefined || proxy.acme_directory !== undefined) return [];
  return [
    complain(["proxy", "acme_ca_root"], "needs acme_directory: Let's Encrypt is trusted anyway", {
      at: "key",
    }),
  ];
}

function noSites({ written }: RuleInput): Finding[] {
  if (written.proxy === undefined || Object.keys(written.proxy.sites ?? {}).length > 0) return [];
  return [warn(["proxy"], "has no sites: nothing is served", { at: "key" })];
}
