import type { Manifest, Site, WebService } from "./manifest.ts";
import type { WrittenManifest } from "./schema.ts";
import { normalizeBackups } from "./sections/backups.ts";
import { normalizeDatabase } from "./sections/database.ts";
import { normalizeFirewall } from "./sections/firewall.ts";
import { normalizeHostSettings } from "./sections/host.ts";
import { normalizeHosts } from "./sections/hosts.ts";
import { normalizeImages } from "./sections/images.ts";
import { normalizeServices, normalizeWeb } from "./sections/normalize-services.ts";
import { normalizeProxy } from "./sections/proxy.ts";
import { normalizeRegistries } from "./sections/registries.ts";
import { normalizeSecrets } from "./sections/secrets.ts";
import { namedSecrets, secretsOf } from "./secrets.ts";
import { servicesOf } from "./services.ts";

/** Fills in defaults and expands shorthands. Only for manifests that keep every rule. */
export function normalizeManifest(written: WrittenManifest): Manifest {
  const services = normalizeServices(written.services ?? {}, written.database);
  const proxy = written.proxy === undefined ? undefined : normalizeProxy(written.proxy);
  const web = normalizeWeb(written.web ?? {}, written.database).map((service) =>
    askByName(service, proxy?.sites ?? []),
  );
  const everything = servicesOf({ services, web });
  const loginRoles = new Set(everything.flatMap((service) => service.database?.role ?? []));
  const firewall = normalizeFirewall(
    written.firewall,
    everything.flatMap((service) => service.ports),
    (proxy?.sites.length ?? 0) > 0,
  );
  return {
    stack: written.stack,
    ...(written.build_command === undefined ? {} : { buildCommand: written.build_command }),
    hosts: normalizeHosts(written.hosts),
    ...(written.database === undefined
      ? {}
      : { database: normalizeDatabase(written.database, loginRoles) }),
    services,
    web,
    ...(written.images === undefined ? {} : { images: normalizeImages(written.images) }),
    ...(written.registries === undefined
      ? {}
      : { registries: normalizeRegistries(written.registries) }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(written.backups === undefined
      ? {}
      : {
          backups: normalizeBackups(
            written.backups,
            Object.keys(written.database?.databases ?? {}),
          ),
        }),
    ...(firewall === undefined ? {} : { firewall }),
    host: normalizeHostSettings(written.host),
    secrets: normalizeSecrets(written.secrets, namedSecrets(secretsOf(written))),
  };
}

/** Programs that check who is asked for (Django's ALLOWED_HOSTS, Rails' host authorization) know their sites' names. */
function askByName(service: WebService, sites: readonly Site[]): WebService {
  const { health } = service;
  if (health.path === undefined || health.host !== undefined) return service;
  const names = sites
    .filter(({ routes }) => routes.some(({ to }) => to === service.name))
    .map(({ name }) => name);
  const host = names.find((name) => !name.startsWith("*")) ?? names[0]?.replace(/^\*/, "hostkit");
  if (host === undefined) return service;
  const shown = host.includes(":") ? `[${host}]` : host;
  return { ...service, health: { ...health, host: shown } };
}
