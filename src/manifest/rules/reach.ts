import type { Finding } from "../problems.ts";
import { complain, type Rule, type RuleInput, type ServiceEntry, warn } from "./rule.ts";

export const reachRules: readonly Rule[] = [unreachableName, ownLoopback];

/** Schemes of programs that are asked by others, never by a browser. */
const backing =
  /^(?:amqps?|kafka|memcached?|mongodb(?:\+srv)?|mysql|mariadb|nats|postgres(?:ql)?(?:\+\w+)?|rediss?|smtps?|tcp|unix)$/;

interface Address {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

/** Addresses in a variable's value: URLs, `host:port`, and the whole of a variable that is called so. */
function addressesIn(name: string, value: string): Address[] {
  const urls = [
    ...value.matchAll(
      /\b([a-z][a-z0-9+]*):\/\/(?:[^\s/@]*@)?(\[[^\]]*\]|[^\s/:?#,]+)(?::(\d+))?/gi,
    ),
  ];
  if (urls.length > 0)
    return urls.map(([, scheme = "", host = "", port = ""]) => ({
      scheme: scheme.toLowerCase(),
      host,
      port,
    }));
  const [, host, port] = /^(\[[^\]]*\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(value) ?? [];
  if (host !== undefined) return [{ scheme: "", host, port: port ?? "" }];
  const isHost =
    /(?:^|_)(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$/i.test(name) && /^[\w.-]+$/.test(value);
  return isHost && !/^(?:HOST|HOSTNAME|BIND_\w+|LISTEN_\w+)$/i.test(name)
    ? [{ scheme: "", host: value, port: "" }]
    : [];
}

type See = (service: ServiceEntry, name: string, address: Address) => Finding[];

function eachAddress({ services }: RuleInput, see: See): Finding[] {
  return services.flatMap((service) =>
    Object.entries(service.entry.env ?? {}).flatMap(([name, value]) => {
      const found = addressesIn(name, value).flatMap((address) => see(service, name, address));
      return found.slice(0, 1);
    }),
  );
}

/** Names of containers are known to containers alone; nobody knows native services by name. */
function unreachableName(input: RuleInput): Finding[] {
  return eachAddress(input, ({ pointer, runtime, name: own }, variable, { host }) => {
    const other = input.services.find(({ name }) => name === host && name !== own);
    const at = [...pointer, "env", variable];
    if (other === undefined) {
      if (runtime !== "container" || host !== "host.docker.internal") return [];
      return [
        complain(
          at,
          "there is no host.docker.internal: containers do not reach native programs of the host; run both as containers, or both natively",
        ),
      ];
    }
    const place = other.pointer.join(".");
    if (other.runtime === "native") {
      const message =
        runtime === "container"
          ? `${place} runs natively: no container reaches it, and nobody knows it by that name; run both as containers, or both natively`
          : `${place} runs natively: it has no name in DNS; on the host it is 127.0.0.1`;
      return [complain(at, message)];
    }
    if (runtime === "container") return [];
    return [
      warn(at, `only containers know ${place} by that name; a native program does not reach it`),
    ];
  });
}

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i;

/** 127.0.0.1 in a container is that container. */
function ownLoopback(input: RuleInput): Finding[] {
  return eachAddress(input, ({ pointer, runtime, web }, variable, { host, scheme, port }) => {
    if (runtime !== "container" || !loopback.test(host) || port === String(web?.port ?? ""))
      return [];
    const at = [...pointer, "env", variable];
    const natives = input.services.filter((each) => each.runtime === "native");
    const isDatabase = scheme.startsWith("postgres") || port === "5432";
    const message = `${host} in a container is the container itself, not the host`;
    if (isDatabase && input.written.database !== undefined)
      return [
        complain(
          at,
          `${message}; leave it out and say \`database: NAME\`: hostkit gives the way there`,
        ),
      ];
    if (
      backing.test(scheme) ||
      natives.some(({ web: native }) => native !== undefined && String(native.port) === port)
    )
      return [
        complain(
          at,
          `${message}: nothing answers there; run both as containers and use the other's name, or both natively`,
        ),
      ];
    return [warn(at, message)];
  });
}
