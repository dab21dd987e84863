import type {
  DatabaseAccess,
  HealthCheck,
  Hook,
  PublishedPort,
  Service,
  ServiceBase,
  Volume,
  WebService,
} from "../manifest.ts";
import { compareText, sortKeys, sortNamed } from "../order.ts";
import type { BuildFrom, Source } from "../source.ts";
import { ownerOf, type WrittenDatabase } from "./database.ts";
import type {
  WrittenBuild,
  WrittenCommon,
  WrittenService,
  WrittenServices,
  WrittenWeb,
  WrittenWebService,
} from "./services.ts";

const defaultMemoryBytes = 1024 ** 3;
const defaultPids = 512;
const defaultHookSeconds = 600;

export function normalizeServices(
  written: WrittenServices,
  database: WrittenDatabase | undefined,
): Service[] {
  return sortNamed(
    Object.entries(written).map(([name, entry]) => ({
      section: "services",
      ...normalizeCommon(name, entry, database),
      ...(entry.watchdog === undefined ? {} : { watchdogSeconds: entry.watchdog }),
      ...(entry.health === undefined ? {} : { health: normalizeHealth(entry.health) }),
    })),
  );
}

export function normalizeWeb(
  written: WrittenWeb,
  database: WrittenDatabase | undefined,
): WebService[] {
  return sortNamed(
    Object.entries(written).map(([name, entry]) => ({
      section: "web",
      ...normalizeCommon(name, entry, database),
      port: entry.port,
      health: normalizeHealth(entry.health),
      replicas: entry.replicas ?? 1,
      ...(entry.drain === undefined ? {} : { drainSeconds: Number(entry.drain) || 0 }),
    })),
  );
}

function normalizeCommon(
  name: string,
  entry: WrittenCommon,
  database: WrittenDatabase | undefined,
): Omit<ServiceBase, "section"> {
  const source = normalizeSource(entry);
  const command = entry.exec ?? entry.command;
  const access = normalizeAccess(entry.database, database);
  return {
    name,
    source,
    runtime: isContainer(source) ? "container" : "native",
    ...(command === undefined ? {} : { command }),
    ...(entry.build_command === undefined ? {} : { buildCommand: entry.build_command }),
    ...(entry.user === undefined ? {} : { user: entry.user }),
    env: sortKeys(entry.env ?? {}),
    ...(entry.env_file === undefined ? {} : { envFile: entry.env_file }),
    secrets: [...new Set(entry.secrets ?? [])].sort(),
    ...(access === undefined ? {} : { database: access }),
    volumes: (entry.volumes ?? [])
      .map(parseVolume)
      .toSorted((left, right) => compareText(left.path, right.path)),
    ports: (entry.ports ?? [])
      .map(parsePublishedPort)
      .toSorted(
        (left, right) => left.outside - right.outside || compareText(left.protocol, right.protocol),
      ),
    after: [...new Set(entry.after ?? [])].sort(),
    resources: {
      memoryBytes: entry.resources?.memory ?? defaultMemoryBytes,
      ...(entry.resources?.cpus === undefined ? {} : { cpus: entry.resources.cpus }),
      pids: entry.resources?.pids ?? defaultPids,
    },
    stateful: entry.stateful ?? false,
    ...normalizeHooks(entry),
  };
}

function normalizeHooks({
  pre_deploy: pre,
  post_deploy: post,
  watch,
}: WrittenCommon): Pick<ServiceBase, "preDeploy" | "postDeploy" | "watchSeconds"> {
  return {
    ...(watch === undefined ? {} : { watchSeconds: Number(watch) || 0 }),
    ...(pre === undefined ? {} : { preDeploy: normalizeHook(pre) }),
    ...(post === undefined ? {} : { postDeploy: normalizeHook(post) }),
  };
}

function normalizeHook(written: NonNullable<WrittenCommon["pre_deploy"]>): Hook {
  const { command, timeout = defaultHookSeconds } =
    "command" in written ? written : { command: written };
  return { command, timeoutSeconds: timeout };
}

/** The rules have made sure that there is exactly one source. */
function normalizeSource(entry: WrittenCommon): Source {
  if (entry.package !== undefined) return { kind: "package", path: entry.package };
  if (entry.apt !== undefined) {
    const [name = "", version] = entry.apt.split("=");
    return { kind: "apt", name, ...(version === undefined ? {} : { version }) };
  }
  if (entry.image !== undefined) return { kind: "image", reference: entry.image };
  if (typeof entry.archive === "string") return { kind: "image-archive", path: entry.archive };
  if (entry.archive !== undefined) {
    return { kind: "download", url: entry.archive.url, sha256: entry.archive.sha256.toLowerCase() };
  }
  return entry.build === undefined ? { kind: "exec" } : normalizeBuild(entry.build);
}

/** A folder alone, or with all that can be said of its build. */
export function normalizeBuild(written: WrittenBuild): BuildFrom {
  const build = typeof written === "string" ? { context: written } : written;
  return {
    kind: "build",
    context: build.context,
    dockerfile: build.dockerfile ?? "Dockerfile",
    args: sortKeys(build.args ?? {}),
    ...(build.target === undefined ? {} : { target: build.target }),
    ...(build.secrets === undefined ? {} : { secrets: [...new Set(build.secrets)].sort() }),
    ...(typeof build.ssh === "string" ? { key: build.ssh } : {}),
    ...(build.on === undefined || build.on === "host" ? {} : { on: build.on }),
  };
}

function isContainer(source: Source): boolean {
  return source.kind === "build" || source.kind === "image" || source.kind === "image-archive";
}

/** The database and role a service means: `name` alone is its owner's login, a lone database needs no name. */
export function normalizeAccess(
  written: WrittenCommon["database"],
  database: WrittenDatabase | undefined,
): DatabaseAccess | undefined {
  if (written === undefined) return undefined;
  const access = typeof written === "string" ? { name: written } : written;
  const name = access.name ?? Object.keys(database?.databases ?? {})[0] ?? "";
  return {
    name,
    role: access.role ?? (database === undefined ? "" : ownerOf(name, database)),
    tcp: access.tcp ?? false,
  };
}

/** `name:/path`, `/host/path:/path`, either with `:ro`. */
export function parseVolume(written: string): Volume {
  const [source = "", path = "", mode] = written.split(":");
  const readOnly = mode === "ro";
  return source.startsWith("/")
    ? { kind: "bind", source, path, readOnly }
    : { kind: "named", name: source, path, readOnly };
}

/** `8080`, `"7300:7301"` (outside:inside), either with `/udp`. */
export function parsePublishedPort(written: string | number): PublishedPort {
  const [ports = "", protocol] = String(written).split("/");
  const [outside = "", inside = outside] = ports.split(":");
  return {
    outside: Number(outside),
    inside: Number(inside),
    protocol: protocol === "udp" ? "udp" : "tcp",
  };
}

function normalizeHealth(
  written: WrittenWebService["health"] | WrittenService["health"],
): HealthCheck {
  const health: Exclude<WrittenWebService["health"], string | undefined> =
    typeof written === "string" ? { path: written } : (written ?? {});
  return {
    ...(health.path === undefined ? {} : { path: health.path }),
    ...(health.command === undefined ? {} : { command: health.command }),
    ...(health.host === undefined ? {} : { host: health.host }),
    intervalSeconds: health.interval ?? 10,
    timeoutSeconds: health.timeout ?? 5,
    graceSeconds: health.grace ?? 60,
    retries: health.retries ?? 3,
  };
}
