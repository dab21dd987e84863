import { expect, test } from "vitest";
import { publishedFacts, publishedSubject } from "../../../src/facts/containers/docker.ts";
import type { PublishedFact } from "../../../src/facts/containers/docker.ts";
import { Facts } from "../../../src/facts/fact.ts";
import { listenerFacts, listenersSubject } from "../../../src/facts/system/listeners.ts";
import type { Listener } from "../../../src/facts/system/listeners.ts";
import { parseManifest } from "../../../src/manifest/parse.ts";
import { describeHolder, findPortConflicts } from "../../../src/plan/port-conflicts.ts";
import { parseState } from "../../../src/plan/state.ts";

const image = `example.org/x@sha256:${"0".repeat(64)}`;
const { manifest } = parseManifest(
  `stack: s
hosts: { h: 192.0.2.1 }
services: { dns: { image: "${image}", ports: ["53/udp", 8080] } }
web: { page: { image: "${image}", port: 8000 } }
proxy: { email: a@example.org, sites: { page.example.org: { routes: { "/*": page } } } }
`,
  "hostkit.yaml",
);
if (manifest === undefined) throw new Error("the manifest of this test is wrong");

const listen = (program: string, port: number, more: Partial<Listener> = {}): Listener => ({
  ...{ protocol: "tcp", address: "0.0.0.0", port, program, pid: 4 },
  ...more,
});
const publish = (container: string, port: number, protocol = "tcp"): PublishedFact => ({
  ...{ container, port, protocol },
});

const cases: readonly {
  about: string;
  listeners?: readonly Listener[];
  published?: readonly PublishedFact[];
  state?: string;
  expected: readonly string[];
}[] = [
  { about: "nobody", expected: [] },
  {
    about: "another web server; Caddy itself may",
    listeners: [listen("nginx", 80), listen("caddy", 443)],
    expected: ["80/tcp for proxy: nginx (process 4)"],
  },
  {
    about: "a program on one address keeps Docker from all of them",
    listeners: [
      listen("systemd-resolve", 53, { protocol: "udp", address: "127.0.0.53%lo" }),
      listen("java", 8080, { address: "127.0.0.1" }),
    ],
    expected: ["53/udp for dns: systemd-resolve (process 4)", "8080/tcp for dns: java (process 4)"],
  },
  {
    about: "the other protocol's port is another",
    listeners: [listen("named", 53), listen("caddy", 443, { protocol: "udp", program: "x" })],
    expected: [],
  },
  {
    about: "what cannot be told apart from hostkit's own",
    listeners: [listen("", 80, { pid: 0 }), listen("docker-proxy", 8080)],
    expected: [],
  },
  {
    about: "the stack's own containers, and one of a service that left the manifest",
    listeners: [listen("docker-proxy", 8080)],
    published: [publish("s-dns", 8080), publish("s-old-b2", 53, "udp")],
    state: '{"kind":"release","name":"old"}\n',
    expected: [],
  },
  {
    about: "somebody else's containers, of a project with the stack's name too",
    listeners: [listen("docker-proxy", 8080), listen("docker-proxy", 443)],
    published: [publish("s-dns-1", 8080), publish("traefik", 443), publish("s-old-b2", 53, "udp")],
    expected: [
      "443/tcp for proxy: the container traefik",
      "53/udp for dns: the container s-old-b2",
      "8080/tcp for dns: the container s-dns-1",
    ],
  },
];

test.each(cases)("$about", ({ listeners = [], published, state = "", expected }) => {
  const facts = Facts.of(
    [listenerFacts, { [listenersSubject]: listeners }],
    [publishedFacts, published === undefined ? {} : { [publishedSubject]: published }],
  );
  const found = findPortConflicts(manifest, parseState(state), facts).map(
    (one) => `${one.port}/${one.protocol} for ${one.wantedBy}: ${describeHolder(one)}`,
  );
  expect(found).toEqual(expected);
});
