import { distributionOf, nameDistributions, nameRelease } from "../distributions.ts";
import { HostkitError } from "../errors.ts";
import type { Manifest, Proxy, Site } from "../manifest/schema.ts";
import { hashText } from "../facts/files/hash.ts";
import { caddy } from "../resources/proxy/caddy.ts";
import {
  caddyFolderOf,
  handoverPath,
  http3ConfigPath,
  sitesPath,
  sitesPattern,
} from "../resources/proxy/caddy-places.ts";
import type { CaddyFile } from "../resources/proxy/caddy-places.ts";
import { idOf } from "../resources/resource.ts";
import type { ServedPart } from "../resources/resource.ts";
import { unit, unitId } from "../resources/units/unit.ts";
import { emptySection, packagesId } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";
import { stackDirectoryOf } from "./names.ts";
import { renderTemplate } from "./render-template.ts";
import { upstreamFileOf } from "./services/service-places.ts";
import { runningIdOf } from "./services/start-order.ts";
import { caddyfile, caddyRedirect, caddyToken, importedValue } from "../writers/caddyfile.ts";
import type { Written } from "../writers/written.ts";

const unitName = "caddy.service";

/** The resource after which the proxy runs with its sites. */
export const proxyRunningId = unitId(unitName);

/**
 * The manifest's `proxy`: this stack's sites in the host's Caddy, the distribution's, hardened, in front of the web services.
 * @throws HostkitError os_unsupported where the distribution has no Caddy
 */
export function resolveProxy(inputs: StackInputs): Section {
  const { manifest, system, templates } = inputs;
  const { proxy, stack } = manifest;
  if (proxy === undefined || proxy.sites.length === 0) return emptySection;
  requireCaddy(system);
  const routed = routedServices(manifest, proxy).map((one) => runningIdOf(stack, one));
  const config = caddy(
    {
      stack,
      stackDirectory: stackDirectoryOf(stack),
      main: renderMain(inputs, false),
      dropIn: renderTemplate(
        templates,
        "etc/systemd/system/caddy.service.d/60-hostkit.conf.ejs",
        {},
      ),
      unitFiles: [
        {
          path: handoverPath,
          content: {
            text: renderTemplate(templates, "usr/local/lib/hostkit/caddy-handover.ejs", {}),
          },
          ...rootFile,
          mode: "0755",
        },
        {
          path: http3ConfigPath,
          content: { text: renderMain(inputs, true) },
          ...rootFile,
        },
      ],
      sites: renderSites(inputs, proxy),
      siteNames: proxy.sites.map((site) => site.name),
      files: [
        ...proxy.sites.flatMap((site) => resolveCertificate(inputs, site)),
        ...resolveAcmeRoot(inputs, proxy),
      ],
    },
    [packagesId, ...routed],
  );
  const running = unit(unitName, stackDirectoryOf(stack), {
    ours: false,
    after: [packagesId, idOf(config)],
  });
  return {
    packages: ["caddy"],
    resources: [
      { ...config, joins: routed },
      { ...running, serves: listServed(inputs, proxy) },
    ],
  };
}

/** What a Caddy begins with; the sites are the same for both. */
function renderMain({ templates }: StackInputs, isForHttp3: boolean): string {
  return renderTemplate(templates, "etc/caddy/Caddyfile.ejs", {
    sites: caddyToken(sitesPattern),
    isForHttp3,
  });
}

/** @throws HostkitError os_unsupported where the distribution has no Caddy */
function requireCaddy(system: StackInputs["system"]): void {
  if (distributionOf(system).hasCaddy) return;
  throw new HostkitError("os_unsupported", {
    what: `${nameRelease(system)} has no package caddy, which the proxy is`,
    where: "proxy",
    why: `${nameDistributions((one) => one.hasCaddy)} have it`,
    next: "take a host with one of these, or leave the proxy section out",
  });
}

/** The sites that send requests to a service, as they stand in the stack's file. */
function listServed(inputs: StackInputs, proxy: Proxy): ServedPart[] {
  return proxy.sites.flatMap((site) => {
    const file = renderSites(inputs, { ...proxy, sites: [site] });
    // Behind the file's own first line; from the empty line on, so that no longer name ends with this one.
    const text = file.slice(file.indexOf("\n\n") + 1);
    const services = new Set(site.routes.map(({ to }) => to));
    return [...services].map((service) => ({
      service,
      path: sitesPath(inputs.manifest.stack),
      text,
    }));
  });
}

function routedServices(manifest: Manifest, proxy: Proxy): Manifest["web"] {
  const names = new Set(proxy.sites.flatMap((site) => site.routes.map((route) => route.to)));
  return manifest.web.filter((service) => names.has(service.name));
}

/**
 * Where a site's certificate and key stand. Another certificate has another name, so that the pair changes with the one file that
 * names it.
 */
function certificatePathsOf(
  inputs: StackInputs,
  site: Site,
  files: { readonly certificate: string },
): { certificate: string; key: string } {
  const name = site.name.replace(/^\*/, "_").replace(/[^A-Za-z0-9._-]/g, "_");
  const version = hashText(textOf(inputs, files.certificate)).slice(0, 12);
  const stem = `${caddyFolderOf(inputs.manifest.stack)}/${name}-${version}`;
  return { certificate: `${stem}.crt`, key: `${stem}.key` };
}

function textOf(inputs: StackInputs, path: string): string {
  const text = inputs.texts.get(path);
  if (text === undefined) throw new TypeError(`no text for ${path}`);
  return text;
}

const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

function resolveCertificate(inputs: StackInputs, site: Site): CaddyFile[] {
  const { tls } = site;
  if (tls.kind !== "files") return [];
  const paths = certificatePathsOf(inputs, site, tls);
  return [
    {
      path: paths.certificate,
      content: { text: textOf(inputs, tls.certificate) },
      ...rootFile,
    },
    {
      path: paths.key,
      content: { secret: textOf(inputs, tls.key) },
      mode: "0640",
      owner: "root",
      group: "caddy",
    },
  ];
}

function acmeRootPathOf(inputs: StackInputs, root: string): string {
  const version = hashText(textOf(inputs, root)).slice(0, 12);
  return `${caddyFolderOf(inputs.manifest.stack)}/acme-root-${version}.pem`;
}

function resolveAcmeRoot(inputs: StackInputs, proxy: Proxy): CaddyFile[] {
  const root = proxy.acmeCaRoot;
  if (root === undefined) return [];
  const content = { text: textOf(inputs, root) };
  return [{ path: acmeRootPathOf(inputs, root), content, ...rootFile }];
}

function renderSites(inputs: StackInputs, proxy: Proxy): string {
  const { manifest } = inputs;
  return renderTemplate(inputs.templates, "etc/caddy/hostkit/sites/stack.caddy.ejs", {
    stack: caddyToken(manifest.stack),
    sites: proxy.sites.map((site) => ({
      address: caddyToken(site.name.includes(":") ? `[${site.name}]` : site.name),
      tls: renderTls(inputs, proxy, site),
      headers: Object.entries(site.headers).map(([name, value]) => ({
        name: caddyToken(name),
        value: caddyToken(value, importedValue),
      })),
      maxBodyBytes: site.maxBodyBytes,
      tooLarge: caddyToken(matchLarger(site.maxBodyBytes)),
      redirect: site.redirect === undefined ? undefined : caddyRedirect(site.redirect),
      routes: site.routes.map((route) => {
        const service = manifest.web.find((one) => one.name === route.to);
        if (service === undefined) throw new TypeError(`no web service ${route.to}`);
        return {
          matcher: route.path === "/*" ? caddyfile`` : caddyfile` ${caddyToken(route.path)}`,
          ...(service.runtime === "container"
            ? { file: caddyToken(upstreamFileOf(manifest.stack, service.name)), address: undefined }
            : { file: undefined, address: caddyToken(`127.0.0.1:${service.port}`) }),
        };
      }),
    })),
  });
}

/** Lines for `tls`; none: Caddy gets a certificate from the ACME directory by itself. */
function renderTls(inputs: StackInputs, proxy: Proxy, site: Site): Written<"caddyfile">[] {
  if (site.tls.kind === "files") {
    const { certificate, key } = certificatePathsOf(inputs, site, site.tls);
    return [caddyfile`tls ${caddyToken(certificate)} ${caddyToken(key)}`];
  }
  const { acmeDirectory, acmeCaRoot, email } = proxy;
  // A lab host has no public name: nobody would give it a certificate.
  if (site.tls.kind === "internal" || (inputs.isLab && acmeDirectory === undefined))
    return [caddyfile`tls internal`];
  // Said for each site and not for all of Caddy, so that every stack of a host has its own authority and address.
  const options = [
    ...(acmeDirectory === undefined ? [] : [caddyfile`\t\tdir ${caddyToken(acmeDirectory)}`]),
    ...(email === undefined ? [] : [caddyfile`\t\temail ${caddyToken(email)}`]),
    ...(acmeCaRoot === undefined
      ? []
      : [caddyfile`\t\ttrusted_roots ${caddyToken(acmeRootPathOf(inputs, acmeCaRoot))}`]),
  ];
  if (options.length === 0) return [];
  // Caddy's own second choice, which it has as long as nobody names an issuer.
  const second =
    acmeDirectory === undefined && email !== undefined
      ? [caddyfile`\tissuer zerossl {`, caddyfile`\t\temail ${caddyToken(email)}`, caddyfile`\t}`]
      : [];
  return [
    caddyfile`tls {`,
    caddyfile`\tissuer acme {`,
    ...options,
    caddyfile`\t}`,
    ...second,
    caddyfile`}`,
  ];
}

/** A regular expression for decimal numbers above this one: what a Content-Length may not say. */
export function matchLarger(limit: number): string {
  const digits = String(limit);
  const larger = [...digits].flatMap((digit, at) => {
    if (digit === "9") return [];
    const rest = digits.length - at - 1;
    const next = Number(digit) + 1;
    return [`${digits.slice(0, at)}[${next}-9]${rest === 0 ? "" : `[0-9]{${rest}}`}`];
  });
  return `^0*(?:[1-9][0-9]{${digits.length},}${larger.map((one) => `|${one}`).join("")})$`;
}
