import type { Finding } from "../problems.ts";
import { suggest } from "../suggest.ts";
import { namedSecrets, secretsOf } from "../secrets.ts";
import {
  complain,
  complainUnknown,
  findCycles,
  type Rule,
  type RuleInput,
  type ServiceEntry,
  warn,
} from "./rule.ts";

export const serviceRules: readonly Rule[] = [
  oneSource,
  commandKey,
  buildCommand,
  downloadCommand,
  wrongRuntime,
  drainWithoutOverlap,
  healthWays,
  dockerfileOutside,
  lentAgent,
  unknownBuilder,
  afterUnknown,
  afterCycle,
  sharedVolume,
  sameMountPath,
  dockerSocket,
  secretDeclared,
  secretVariable,
  literalSecret,
  beginsAsRoot,
];

const sourceKeys = ["package", "apt", "archive", "build", "image"] as const;

/** Exactly one key says what runs; `exec` alone does too. */
function oneSource({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    const present = sourceKeys.filter((key) => entry[key] !== undefined);
    const [first, second] = present;
    if (second !== undefined) {
      return [
        complain([...pointer, second], `only one of these: ${present.join(", ")}`, { at: "key" }),
      ];
    }
    if (first !== undefined || entry.exec !== undefined) return [];
    return [
      complain(pointer, "nothing says what runs here", {
        at: "key",
        allowed: [...sourceKeys, "exec"],
      }),
    ];
  });
}

function commandKey({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, runtime }) => {
    if (entry.exec === undefined) return [];
    const at = [...pointer, "exec"];
    if (runtime === "container")
      return [complain(at, "a container has command, not exec", { at: "key" })];
    if (entry.command !== undefined)
      return [complain(at, "exec and command are the same: keep one", { at: "key" })];
    return [];
  });
}

/** There is something on this machine that a command can make. */
function buildCommand({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    if (entry.build_command === undefined) return [];
    const isLocal =
      entry.package !== undefined || entry.build !== undefined || typeof entry.archive === "string";
    if (isLocal) return [];
    const message =
      "nothing of this service is made here: it has no package, build or image archive";
    return [complain([...pointer, "build_command"], message, { at: "key" })];
  });
}

function downloadCommand({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    if (
      typeof entry.archive !== "object" ||
      entry.exec !== undefined ||
      entry.command !== undefined
    )
      return [];
    return [
      complain([...pointer, "archive"], "a downloaded archive needs exec: what to start", {
        at: "key",
      }),
    ];
  });
}

function wrongRuntime({ services }: RuleInput): Finding[] {
  return services.flatMap((service) => {
    const at = (key: string) => [...service.pointer, key];
    const findings: Finding[] = [];
    if (service.runtime === "native" && sourceCount(service) === 1) {
      if (service.entry.volumes !== undefined) {
        const message =
          "only containers have volumes; a native program keeps its data in its state directory";
        findings.push(complain(at("volumes"), message, { at: "key" }));
      }
      for (const key of ["pre_deploy", "post_deploy", "watch"] as const) {
        if (service.entry[key] === undefined) continue;
        const message = `only containers have ${key}: a native program is restarted in place, without a release beside it`;
        findings.push(complain(at(key), message, { at: "key" }));
      }
      if (service.web?.drain !== undefined) {
        const message =
          "only containers have drain: a native program is restarted in place, without a release beside it";
        findings.push(complain(at("drain"), message, { at: "key" }));
      }
      if ((service.web?.replicas ?? 1) > 1) {
        findings.push(
          complain(at("replicas"), "only containers have replicas: native ones would share a port"),
        );
      }
    }
    if (service.runtime === "container" && service.service?.watchdog !== undefined) {
      findings.push(
        complain(at("watchdog"), "only native programs can speak to the watchdog", { at: "key" }),
      );
    }
    return findings;
  });
}

/** A check asks in one way. */
function healthWays({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, web }) => {
    const health = web?.health;
    if (typeof health !== "object" || health.command === undefined) return [];
    const also = (["path", "host"] as const).filter((key) => health[key] !== undefined);
    return also.map((key) =>
      complain(
        [...pointer, "health", key],
        `it is asked by \`command\`: leave out either that or \`${key}\``,
        { at: "key" },
      ),
    );
  });
}

/** What is stopped before its successor starts has nothing left to end beside it. */
function drainWithoutOverlap({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, web, runtime }) => {
    if (runtime !== "container" || web?.drain === undefined) return [];
    const cause =
      entry.stateful === true && (web.replicas ?? 1) === 1
        ? "stateful"
        : (entry.ports ?? []).length > 0
          ? "ports"
          : undefined;
    if (cause === undefined) return [];
    return [
      warn(
        [...pointer, "drain"],
        `nothing is drained where \`${cause}\` stops the old release before the new one starts`,
        { at: "key" },
      ),
    ];
  });
}

function sourceCount({ entry }: ServiceEntry): number {
  const present = sourceKeys.filter((key) => entry[key] !== undefined).length;
  return present === 0 && entry.exec !== undefined ? 1 : present;
}

/** Of services and base images alike. */
function listBuilds({ services, written }: RuleInput) {
  const images = Object.entries(written.images ?? {}).map(([name, entry]) => ({
    pointer: ["images", name],
    entry,
  }));
  return [...services, ...images].flatMap(({ pointer, entry: { build } }) =>
    typeof build === "object" ? [{ pointer: [...pointer], build }] : [],
  );
}

function dockerfileOutside(input: RuleInput): Finding[] {
  return listBuilds(input).flatMap(({ pointer, build: { dockerfile } }) => {
    if (dockerfile === undefined) return [];
    if (!/^(?:\/|~)|(?:^|\/)\.\.(?:\/|$)/.test(dockerfile)) return [];
    return [
      complain(
        [...pointer, "build", "dockerfile"],
        "must be inside the context: only that is sent to the host",
      ),
    ];
  });
}

/** `ssh: true` and `default` are what other tools call the operator's own agent. */
function lentAgent(input: RuleInput): Finding[] {
  return listBuilds(input).flatMap(({ pointer, build: { ssh } }) => {
    if (ssh === undefined || (typeof ssh === "string" && ssh !== "default")) return [];
    return [
      complain(
        [...pointer, "build", "ssh"],
        "your SSH agent is not lent to a host: a build goes on there without you, and root there could use every key in it; name a secret that holds a key which may only read: ssh: DEPLOY_KEY",
      ),
    ];
  });
}

/** What people call the two places that have a word of their own. */
const foreignPlaces: Readonly<Record<string, string>> = {
  ...{ local: "here", localhost: "here", "127.0.0.1": "here", controller: "here", self: "here" },
  ...{ remote: "host", target: "host", server: "host", hosts: "host" },
};

/** A word alone may be an alias of ~/.ssh/config, but hardly where it is nearly one that is known. */
function unknownBuilder(input: RuleInput): Finding[] {
  const known = ["host", "here", ...input.declared.hosts];
  return listBuilds(input).flatMap(({ pointer, build: { on } }) => {
    if (on === undefined || known.includes(on)) return [];
    const port = Number(/:(\d+)$/.exec(on)?.[1] ?? 22);
    if (port < 1 || port > 65_535)
      return [complain([...pointer, "build", "on"], "a port is a number between 1 and 65535")];
    const foreign = Object.hasOwn(foreignPlaces, on) ? foreignPlaces[on] : undefined;
    const suggestion = foreign ?? (/[.:@]/.test(on) ? undefined : suggest(on, known));
    if (suggestion === undefined) return [];
    const place = [...pointer, "build", "on"];
    return [
      complain(
        place,
        `no host of this manifest is called "${on}"; an alias of ~/.ssh/config of that name is written USER@${on}`,
        { suggestion, allowed: known },
      ),
    ];
  });
}

function afterUnknown({ services, declared }: RuleInput): Finding[] {
  const names = [...declared.services, ...declared.web];
  return services.flatMap(({ name, pointer, entry }) =>
    (entry.after ?? []).flatMap((other, index) =>
      names.includes(other)
        ? []
        : [
            complainUnknown(
              [...pointer, "after", index],
              `no service "${other}"`,
              other,
              names.filter((each) => each !== name),
            ),
          ],
    ),
  );
}

function afterCycle({ services }: RuleInput): Finding[] {
  const edges = new Map(services.map(({ name, entry }) => [name, entry.after ?? []]));
  return findCycles(edges).flatMap((cycle) => {
    const start = services.find(({ name }) => name === cycle[0]);
    if (start === undefined) return [];
    return [
      complain([...start.pointer, "after"], `each waits for the other: ${cycle.join(" → ")}`),
    ];
  });
}

/**
 * During a deploy the old and the new release of a web service run side by side, unless it is stateful or publishes a port; what
 * stands in `services` is always stopped before its successor starts.
 */
function sharedVolume({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, web, runtime }) => {
    if (runtime === "native" || web === undefined || entry.ports !== undefined) return [];
    const writable = (entry.volumes ?? []).findIndex((volume) => !volume.endsWith(":ro"));
    if (writable === -1 || entry.stateful !== undefined) return [];
    const message =
      "during a deploy two releases write here at once; say stateful: true to stop the old one first, or false if that is fine";
    return [warn([...pointer, "volumes", writable], message)];
  });
}

function sameMountPath({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    const seen = new Set<string>();
    return (entry.volumes ?? []).flatMap((volume, index) => {
      const path = (volume.split(":")[1] ?? "").replace(/\/+$/, "");
      if (seen.has(path))
        return [complain([...pointer, "volumes", index], `${path || "/"} is mounted twice`)];
      seen.add(path);
      return path === ""
        ? [complain([...pointer, "volumes", index], "the root of a container cannot be a volume")]
        : [];
    });
  });
}

function dockerSocket({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) =>
    (entry.volumes ?? []).flatMap((volume, index) =>
      /^(?:\/var)?\/run\/docker\.sock:/.test(volume)
        ? [warn([...pointer, "volumes", index], "whoever has Docker's socket is root on the host")]
        : [],
    ),
  );
}

/** Without a `secrets` section every name has the default source; with one it must be listed. */
function secretDeclared({ written, declared: { secrets } }: RuleInput): Finding[] {
  if (written.secrets === undefined) return [];
  return namedSecrets(secretsOf(written)).flatMap(({ name, pointer }) =>
    secrets.has(name)
      ? []
      : [complainUnknown(pointer, `no secret "${name}" in secrets`, name, secrets)],
  );
}

function secretVariable({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) =>
    (entry.secrets ?? []).flatMap((name) =>
      Object.hasOwn(entry.env ?? {}, `${name}_FILE`)
        ? [
            complain(
              [...pointer, "env", `${name}_FILE`],
              `this variable is set for the secret ${name}`,
              { at: "key" },
            ),
          ]
        : [],
    ),
  );
}

const secretLike =
  /(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)$/i;

function literalSecret({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) =>
    Object.entries(entry.env ?? {}).flatMap(([name, value]) =>
      secretLike.test(name) && value !== ""
        ? [
            warn(
              [...pointer, "env", name],
              "looks like a secret in plain text; list its name in secrets instead",
              { at: "key" },
            ),
          ]
        : [],
    ),
  );
}

/** Packages whose own unit has no User=: their program changes the user by itself, which takes root. What to start instead. */
const rootPackages: Readonly<Record<string, string>> = {
  apache2: "for sites the proxy is `proxy`",
  haproxy:
    "exec: /usr/sbin/haproxy -W -db -f FILE, with a configuration that has no chroot, user and group",
  memcached: "exec: /usr/bin/memcached -l 127.0.0.1 -m 64",
  nginx:
    "for sites the proxy is `proxy`; else exec: nginx -g 'daemon off;' with a configuration of its own",
};

function beginsAsRoot({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    const name = (entry.apt ?? "").replace(/=.*|-(?:core|light|full|extras)(?:=.*)?$/g, "");
    const instead = Object.hasOwn(rootPackages, name) ? rootPackages[name] : undefined;
    if (instead === undefined || entry.exec !== undefined || entry.command !== undefined) return [];
    const message = `${name}'s own unit begins as root, and a service here never does: it will hardly start; ${instead}`;
    return [warn([...pointer, "apt"], message)];
  });
}
