import { HostkitError } from "../errors.ts";
import type { Manifest, Proxy, Site } from "../manifest/schema.ts";
import { stackDirectoryOf } from "./names.ts";
import { caddy } from "../resources/caddy.ts";
import { file } from "../resources/file.ts";
import type { FileResource } from "../resources/file.ts";
import { idOf } from "../resources/resource.ts";
import { unit } from "../resources/unit.ts";
import { emptySection, packagesId } from "./inputs.ts";
import type { Section, StackInputs } from "./inputs.ts";
import { renderTemplate } from "./render-template.ts";
import { upstreamFileOf } from "./service-places.ts";
import { runningIdOf } from "./start-order.ts";

const folder = "/etc/caddy/hostkit";

/**
 * The manifest's `proxy`: Caddy of the distribution, hardened, in front of the web services.
 * @throws HostkitError os_unsupported where the distribution has no Caddy
 */
export function resolveProxy(inputs: StackInputs): Section {
  const { manifest, system, templates } = inputs;
  const { proxy } = manifest;
  if (proxy === undefined || proxy.sites.length === 0) return emptySection;
  if (system.distribution === "ubuntu" && Number.parseFloat(system.version) < 24) {
    throw new HostkitError("os_unsupported", {
      what: `Ubuntu ${system.version} has no package caddy, which the proxy is`,
      where: "proxy",
      next: "use Debian 12, Debian 13 or Ubuntu 24.04, or leave the proxy section out",
    });
  }
  const dropIn = file(
    "/etc/systemd/system/caddy.service.d/hostkit.conf",
    renderTemplate(templates, "etc/systemd/system/caddy.service.d/hostkit.conf.ejs", {}),
  );
  const certificates = proxy.sites.flatMap((site) => resolveCertificate(inputs, site));
  const root = resolveAcmeRoot(inputs, proxy);
  const config = caddy(renderCaddyfile(inputs, proxy), stackDirectoryOf(manifest.stack), {
    reloadOn: [...certificates, ...root].map(idOf),
    restartOn: [idOf(dropIn)],
    after: [
      packagesId,
      ...routedServices(manifest, proxy).map((one) => runningIdOf(manifest, one)),
    ],
  });
  const running = unit("caddy.service", stackDirectoryOf(manifest.stack), {
    ours: false,
    after: [packagesId, idOf(config)],
  });
  return {
    packages: ["caddy"],
    resources: [dropIn, ...certificates, ...root, config, running],
  };
}

function routedServices(manifest: Manifest, proxy: Proxy): Manifest["web"] {
  const names = new Set(proxy.sites.flatMap((site) => site.routes.map((route) => route.to)));
  return manifest.web.filter((service) => names.has(service.name));
}

/** `*.example.org` as part of a file name. */
function fileNameOf(site: Site): string {
  return site.name.replace(/^\*/, "_").replace(/[^A-Za-z0-9._-]/g, "_");
}

function certificatePathsOf(site: Site): { certificate: string; key: string } {
  return {
    certificate: `${folder}/${fileNameOf(site)}.crt`,
    key: `${folder}/${fileNameOf(site)}.key`,
  };
}

function resolveCertificate(inputs: StackInputs, site: Site): FileResource[] {
  if (site.tls.kind !== "files") return [];
  const paths = certificatePathsOf(site);
  const textOf = (path: string): string => {
    const text = inputs.texts.get(path);
    if (text === undefined) throw new TypeError(`no text for ${path}`);
    return text;
  };
  return [
    file(paths.certificate, textOf(site.tls.certificate), { after: [packagesId] }),
    file(
      paths.key,
      { secret: textOf(site.tls.key) },
      { mode: "0640", group: "caddy", after: [packagesId] },
    ),
  ];
}

const acmeRootPath = `${folder}/acme-root.pem`;

function resolveAcmeRoot(inputs: StackInputs, proxy: Proxy): FileResource[] {
  if (proxy.acmeCaRoot === undefined) return [];
  const text = inputs.texts.get(proxy.acmeCaRoot);
  if (text === undefined) throw new TypeError(`no text for ${proxy.acmeCaRoot}`);
  return [file(acmeRootPath, text, { after: [packagesId] })];
}

function renderCaddyfile(inputs: StackInputs, proxy: Proxy): string {
  const { manifest } = inputs;
  return renderTemplate(inputs.templates, "etc/caddy/Caddyfile.ejs", {
    stack: manifest.stack,
    email: proxy.email,
    acmeDirectory: proxy.acmeDirectory,
    acmeCaRoot: proxy.acmeCaRoot === undefined ? undefined : acmeRootPath,
    sites: proxy.sites.map((site) => ({
      address: site.name.includes(":") ? `[${site.name}]` : site.name,
      tls: renderTls(inputs, proxy, site),
      headers: Object.entries(site.headers).map(([name, value]) => ({
        name,
        value: quoteCaddy(value),
      })),
      maxBodyBytes: site.maxBodyBytes,
      redirect: site.redirect,
      routes: site.routes.map((route) => {
        const service = manifest.web.find((one) => one.name === route.to);
        if (service === undefined) throw new TypeError(`no web service ${route.to}`);
        return {
          matcher: route.path === "/*" ? "" : ` ${route.path}`,
          ...(service.runtime === "container"
            ? { file: upstreamFileOf(manifest.stack, service.name), address: undefined }
            : { file: undefined, address: `127.0.0.1:${service.port}` }),
        };
      }),
    })),
  });
}

/** The words behind `tls`; undefined: Caddy gets a certificate from the ACME directory by itself. */
function renderTls(inputs: StackInputs, proxy: Proxy, site: Site): string | undefined {
  if (site.tls.kind === "files") {
    const { certificate, key } = certificatePathsOf(site);
    return `${certificate} ${key}`;
  }
  if (site.tls.kind === "internal") return "internal";
  // A lab host has no public name: nobody would give it a certificate.
  return inputs.isLab && proxy.acmeDirectory === undefined ? "internal" : undefined;
}

/** One Caddyfile token; braces would otherwise be read as placeholders. */
export function quoteCaddy(value: string): string {
  return `"${value.replaceAll('"', '\\"').replaceAll("{", "\\{").replaceAll("}", "\\}")}"`;
}
