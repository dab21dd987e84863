import { z } from "zod";
import {
  commandWords,
  control,
  count,
  duration,
  flag,
  hostNamePattern,
  httpsUrl,
  identifier,
  label,
  line,
  listOf,
  localPath,
  mapping,
  named,
  port,
  portDigits,
  scalarText,
  size,
  text,
  variableName,
} from "../values.ts";
import { mostReplicas } from "../services.ts";
import { hop } from "./hosts.ts";

const download = mapping({
  url: httpsUrl("an https:// URL").meta({
    description: "Where the archive is fetched from; https only.",
  }),
  sha256: text("64 hexadecimal digits", /^[0-9a-fA-F]{64}$/).meta({
    description: "SHA-256 of the archive; a download with another sum is refused.",
  }),
});

const build = mapping({
  context: localPath("the path of a folder").meta({
    description: "Folder sent to the host and built there, or built elsewhere (`on`).",
  }),
  dockerfile: localPath("a path inside the context")
    .optional()
    .meta({ description: "Dockerfile, relative to the context. Default: Dockerfile." }),
  args: named(variableName(), scalarText(), "build arguments to values")
    .optional()
    .meta({
      description:
        "Build arguments. They end up in the image's history: no secrets here, but in `secrets`.",
      examples: [{ NODE_ENV: "production" }],
    }),
  target: line("a stage name")
    .optional()
    .meta({ description: "Stage to build. Default: the last one." }),
  secrets: listOf(variableName(), "names of secrets")
    .optional()
    .meta({
      description:
        "Secrets that the build sees and the image never holds: `RUN --mount=type=secret,id=NAME` reads /run/secrets/NAME. A changed value alone builds nothing anew. See `secrets`.",
      examples: [["NPM_TOKEN"]],
    }),
  ssh: z
    .union([flag(), variableName()])
    .optional()
    .meta({
      description:
        "Name of the secret that holds the private key for `RUN --mount=type=ssh`, such as a deploy key that may only read. Your own agent is not lent to the host.",
      examples: ["DEPLOY_KEY"],
    }),
  on: hop(
    'host, here, the name of an entry of `hosts`, an alias of ~/.ssh/config, or "user@host:port"',
  )
    .optional()
    .meta({
      description:
        "Where it is built. host: on the host that runs it. here: on this machine, with docker, podman or buildah, for the host's processor; then those layers are sent that the host lacks. Another host, by its name in `hosts` or as it stands behind `ssh`: there, with its Docker, and the layers go by way of this machine. Default: host.",
      examples: ["here", "builder.example.org"],
    }),
});

/** A folder with a Dockerfile: a path, or a mapping that says more. */
export const buildSchema = z.union([localPath("the path of a folder"), build]);

const userName = () =>
  text('a user name of up to 31 letters, digits, "_" and "-"', /^[a-z_][a-z0-9_-]{0,30}$/);

const databaseAccess = mapping({
  name: identifier()
    .optional()
    .meta({ description: "An entry of database.databases. Default: the only one." }),
  role: identifier().optional().meta({
    description: "An entry of database.roles, or an owner. Default: the owner of the database.",
  }),
  tcp: flag().optional().meta({
    description:
      "true: let the service in by TCP with a password that is made on the host, not by the Unix socket; for clients that cannot use one. Default: false.",
  }),
});

const notUp = String.raw`(?!.*(?:^|/)\.\.(?:/|:|$))`;
const volumePattern = new RegExp(
  String.raw`^(?:[a-z0-9][a-z0-9_.-]{0,62}|/${notUp}[^${control}:]*):/${notUp}[^${control}:]*(?::r[ow])?$`,
);
const urlPath = new RegExp(String.raw`^/[^\s${control}]*$`);
const portPattern = new RegExp(`^${portDigits}(?::${portDigits})?(?:/(?:tcp|udp))?$`);

const resources = mapping({
  memory: size().optional().meta({
    description: "Most memory; beyond it the service is killed and restarted. Default: 1G.",
  }),
  cpus: z
    .number({ error: "expected a number of CPUs such as 1 or 0.5" })
    .min(0.01, { error: "expected at least 0.01 CPUs" })
    .max(1024, { error: "expected at most 1024 CPUs" })
    .optional()
    .meta({ description: "Most CPU time, in CPUs; may be a fraction. Default: no limit." }),
  pids: count(1, 4_194_304)
    .optional()
    .meta({ description: "Most processes and threads. Default: 512." }),
});

const checkCommand = () =>
  commandWords().meta({
    description:
      "Command that ends with 0 when all is well, without a shell. It runs as the program does: in its container, or as a native program's user in its sandbox; what it prints last is shown where it fails.",
    examples: ["redis-cli ping"],
  });

const checkTimes = {
  interval: duration().optional().meta({ description: "Time between two checks. Default: 10s." }),
  timeout: duration().optional().meta({ description: "Time one check may take. Default: 5s." }),
  grace: duration().optional().meta({
    description: "Time a new release has to become healthy before it is given up. Default: 60s.",
  }),
  retries: count(1, 100).optional().meta({
    description: "So many checks in a row fail before it is started again. Default: 3.",
  }),
};

const serviceHealth = mapping({ command: checkCommand(), ...checkTimes });

const health = mapping({
  path: text('a path that begins with "/"', urlPath).optional().meta({
    description: "Path that answers 2xx or 3xx when all is well. Default: only the port is tried.",
  }),
  host: text("a host name", hostNamePattern).optional().meta({
    description:
      "Name that the check asks for (Host), for programs that answer only to their own. Default: the first site that sends requests here.",
  }),
  command: checkCommand().optional(),
  ...checkTimes,
});

const hook = (what: string, example: string) =>
  z
    .union([
      commandWords(),
      mapping({
        command: commandWords().meta({
          description: "What is run; it replaces the image's command, as `command` does.",
        }),
        timeout: duration().optional().meta({
          description: "Time it may take; after that it is ended and has failed. Default: 10m.",
        }),
      }),
    ])
    .optional()
    .meta({ description: what, examples: [example] });

const common = {
  package: localPath("the path of a .deb file")
    .regex(/\.deb$/, { error: "expected the path of a .deb file" })
    .optional()
    .meta({
      description: "Native: a Debian package on this machine, installed with apt.",
      examples: ["dist/dx-scraper.deb"],
    }),
  apt: text(
    'a Debian package name, "name" or "name=version"',
    /^[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+:~-]+)?$/,
  )
    .optional()
    .meta({
      description: "Native: a package of the host's apt sources; a version pins it.",
      examples: ["redis-server"],
    }),
  archive: z
    .union([localPath("the path of an image archive"), download])
    .optional()
    .meta({
      description:
        "A file: container image made by `docker save` or an OCI archive. A mapping {url, sha256}: native program, downloaded and unpacked, started with `exec`.",
      examples: ["images/api.tar"],
    }),
  build: buildSchema.optional().meta({
    description: "Container: a folder with a Dockerfile, built on the host; no registry is needed.",
    examples: ["./api"],
  }),
  image: text('an image of a registry, "name:tag" or "name@sha256:…"', /^[!-~]{1,600}$/)
    .optional()
    .meta({
      description:
        "Container: an image of a registry. A tag can change under you: `hostkit update` looks up which image it is and keeps that in hostkit.lock. A digest, `name@sha256:…`, needs no lock. Registries with a login are `registries`.",
      examples: ["ghcr.io/example/api:1.4"],
    }),
  build_command: commandWords()
    .optional()
    .meta({
      description:
        "What `hostkit build` starts on this machine, in the manifest's folder, to make this service's package, archive or build context. Default: the stack's own `build_command`.",
      examples: ["npm run build --workspace api"],
    }),
  exec: commandWords()
    .optional()
    .meta({
      description:
        "Native: what to start, as text without shell syntax or as a list of words. Default for packages: what the package itself starts.",
      examples: ["/usr/bin/dx-scraper --verbose"],
    }),
  command: commandWords()
    .optional()
    .meta({
      description: "Container: replaces the image's command. Native: the same as `exec`.",
      examples: [["node", "worker.js"]],
    }),
  user: userName().optional().meta({
    description:
      "System user it runs as, made when missing. Default: STACK-NAME, one for every service; a program that comes with its package's own unit runs as that unit's user.",
  }),
  env: named(variableName(), scalarText(), "environment variables to values")
    .optional()
    .meta({
      description:
        "Environment variables, readable by anyone on the host who is root. Secrets belong into `secrets`.",
      examples: [{ DX_NODES: "dx.example.net:7300" }],
    }),
  env_file: localPath("the path of a dotenv file")
    .optional()
    .meta({
      description:
        "Dotenv file (NAME=value lines) on this machine; its content is handled like a secret.",
      examples: [".env.production"],
    }),
  secrets: listOf(variableName(), "names of secrets")
    .optional()
    .meta({
      description:
        "Secrets this service gets, each as a file only it can read; the variable NAME_FILE holds the file's path. See `secrets`.",
      examples: [["SESSION_KEY"]],
    }),
  database: z
    .union([identifier(), databaseAccess])
    .optional()
    .meta({
      description:
        "The database it uses, and as which role: {name, role}, or only the database's name for its owner. The login needs no password.",
      examples: [{ name: "dxcluster", role: "dx_reader" }],
    }),
  volumes: listOf(
    text('"name:/path", "/host/path:/path", either with ":ro" for read-only', volumePattern),
    "volumes",
  )
    .optional()
    .meta({
      description:
        "Containers: a Docker volume (name:/path) or a folder of the host (/host/path:/path), with :ro for read-only.",
      examples: [["data:/var/lib/app", "/srv/maps:/maps:ro"]],
    }),
  ports: listOf(
    z.union([port(), text('"7300:7300" (outside:inside) or "514/udp"', portPattern)]),
    "ports",
  )
    .optional()
    .meta({
      description:
        'Ports published outside and opened in the firewall: 8080, "7300:7300" (outside:inside) or "514/udp". Web services behind the proxy need none.',
      examples: [["7300:7300/tcp"]],
    }),
  after: listOf(label(), "names of services")
    .optional()
    .meta({
      description: "Services and web services that start before this one.",
      examples: [["scraper"]],
    }),
  resources: resources
    .optional()
    .meta({ description: "Limits.", examples: [{ memory: "512M", cpus: 1 }] }),
  stateful: flag().optional().meta({
    description:
      "true: the old release is stopped before the new one starts, for programs that own their data; with `replicas` one after the other. Default: false (the new one starts beside the old).",
  }),
  pre_deploy: hook(
    "Containers: a command that runs once in the new image before a release gets any traffic, with its environment, secrets, volumes, user and database login: migrations by the program itself. Where it fails the old release serves on. A command, or {command, timeout}.",
    "alembic upgrade head",
  ),
  post_deploy: hook(
    "Containers: the same, once a release has the traffic and was watched. Where it fails the new release stays. A command, or {command, timeout}.",
    "bin/warm-cache",
  ),
  watch: z
    .union([z.literal("none"), z.literal(0), z.literal("0"), z.literal("0s"), duration()])
    .optional()
    .meta({
      description:
        "Containers: how long a new release is watched once it has the traffic. Where it ends, runs out of memory or is not healthy in that time, the traffic goes back to the old release by itself, and the run fails. provision takes that much longer. Default: 15s; none: not at all.",
      examples: ["30s"],
    }),
};

const serviceSchema = mapping({
  ...common,
  watchdog: duration()
    .optional()
    .meta({
      description:
        "Native programs that speak sd_notify: restarted when they say nothing for that long. Default: off.",
      examples: ["60s"],
    }),
  health: serviceHealth.optional().meta({
    description:
      "How to see that it works: {command, interval, timeout, grace, retries}. Default: that it runs.",
    examples: [{ command: "redis-cli ping" }],
  }),
});

const webSchema = mapping({
  ...common,
  port: port().meta({
    description: "Port the program listens on, inside its container or on loopback, 1 to 65535.",
  }),
  health: z
    .union([text('a path that begins with "/"', urlPath), health])
    .optional()
    .meta({
      description:
        "How to see that a release works: a path, or {path, host, interval, timeout, grace, retries}, or {command, …} for what no path tells. Default: the port accepts connections.",
      examples: ["/api/health"],
    }),
  drain: z
    .union([z.literal("none"), z.literal(0), z.literal("0"), z.literal("0s"), duration()])
    .optional()
    .meta({
      description:
        "Containers: how long the old release may still end its requests and streams (WebSockets, event streams, gRPC) once a new one has the traffic; it stops as soon as nobody is connected any more. The run does not wait for it; the next release does, where it needs the place. Default: 30s; hours are fine (8h); none: not at all.",
      examples: ["10m"],
    }),
  replicas: count(1, mostReplicas).optional().meta({
    description:
      "Copies running side by side, with the proxy in front: the one with the fewest open requests is asked, one that does not answer is left out for 10 s. A `stateful` service is released one replica at a time. Default: 1.",
  }),
});

export const servicesSectionSchema = named(
  label(),
  serviceSchema,
  "service names to {package, exec, …}",
).meta({
  description:
    "Programs without a web address: scrapers, workers, queues. Each is one systemd unit with its own user. Exactly one of package, apt, archive, exec (native) or build, image, archive (container) says what runs.",
  examples: [{ scraper: { package: "dist/dx-scraper.deb", watchdog: "60s" } }],
});

export const webSectionSchema = named(
  label(),
  webSchema,
  "web service names to {build, port, …}",
).meta({
  description:
    "Programs that answer HTTP behind the proxy, normally containers. A new release starts beside the old one, must become healthy, and then takes over. They reach each other by name on the stack's network.",
  examples: [{ api: { build: "./api", port: 8080, health: "/api/health" } }],
});

export type WrittenBuild = z.output<typeof buildSchema>;
export type WrittenServices = z.output<typeof servicesSectionSchema>;
export type WrittenWeb = z.output<typeof webSectionSchema>;
export type WrittenService = WrittenServices[string];
export type WrittenWebService = WrittenWeb[string];
/** What both sections have in common. */
export type WrittenCommon = Omit<WrittenService, "watchdog" | "health">;
