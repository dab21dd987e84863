import type { Manifest } from "./manifest.ts";
import type { WrittenManifest } from "./schema.ts";
import { normalizeBackups } from "./sections/backups.ts";
import { normalizeDatabase } from "./sections/database.ts";
import { normalizeFirewall } from "./sections/firewall.ts";
import { normalizeHostSettings } from "./sections/host.ts";
import { normalizeHosts } from "./sections/hosts.ts";
import { normalizeServices, normalizeWeb } from "./sections/normalize-services.ts";
import { normalizeProxy } from "./sections/proxy.ts";
import { normalizeSecrets } from "./sections/secrets.ts";
import { secretUses } from "./uses.ts";

/** Fills in defaults and expands shorthands. Only for manifests that keep every rule. */
export function normalizeManifest(written: WrittenManifest): Manifest {
  const services = normalizeServices(written.services ?? {}, written.database);
  const web = normalizeWeb(written.web ?? {}, written.database);
  const everything = [...services, ...web];
  const loginRoles = new Set(everything.flatMap((service) => service.database?.role ?? []));
  const proxy = written.proxy === undefined ? undefined : normalizeProxy(written.proxy);
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
    ...(proxy === undefined ? {} : { proxy }),
    ...(written.backups === undefined ? {} : { backups: normalizeBackups(written.backups) }),
    ...(firewall === undefined ? {} : { firewall }),
    host: normalizeHostSettings(written.host),
    secrets: normalizeSecrets(
      written.secrets,
      secretUses(written).map((use) => use.name),
    ),
  };
}
