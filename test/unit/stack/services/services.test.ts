import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Facts } from "../../../../src/facts/fact.ts";
import { textFacts } from "../../../../src/facts/files/file.ts";
import { readTemplates } from "../../../../src/local/templates.ts";
import { parseManifest } from "../../../../src/manifest/parse.ts";
import { orderResources } from "../../../../src/plan/order.ts";
import type { CaddyResource } from "../../../../src/resources/proxy/caddy.ts";
import type { FileResource } from "../../../../src/resources/files/file.ts";
import type { ImageResource } from "../../../../src/resources/containers/image.ts";
import type { ReleaseResource } from "../../../../src/resources/containers/slots.ts";
import { parseUpstream } from "../../../../src/facts/containers/releases.ts";
import type { Resource } from "../../../../src/resources/resource.ts";
import type { TargetResource } from "../../../../src/resources/units/target.ts";
import { unitsOfService } from "../../../../src/stack/services/active-units.ts";
import type { StackInputs } from "../../../../src/stack/inputs.ts";
import { resolveStack } from "../../../../src/stack/resolve.ts";
import { allocatePorts } from "../../../../src/stack/services/service-places.ts";

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

interface Options {
  readonly context?: string;
  readonly isLab?: boolean;
  readonly version?: string;
  readonly distribution?: string;
  readonly texts?: Record<string, string>;
}

function inputsOf(yaml: string, options: Options = {}): StackInputs {
  const text = `stack: s\nhosts: { h: { address: h.example.org } }\n${yaml}`;
  const { manifest, problems } = parseManifest(text, "hostkit.yaml");
  if (manifest === undefined) throw new Error(JSON.stringify(problems, undefined, 1));
  const blob = (type: "file" | "tree") => ({
    ...{ path: "/p", sha256: options.context ?? "aa", size: 1, type },
  });
  return {
    manifest,
    host: "h",
    system: {
      distribution: options.distribution ?? "debian",
      version: options.version ?? "13",
      architecture: "amd64",
    },
    hostname: "h",
    templates,
    blobs: new Map([
      ["./api", blob("tree")],
      ["./web", blob("tree")],
      ["a.tar", blob("file")],
      ["p.deb", blob("file")],
    ]),
    texts: new Map(Object.entries(options.texts ?? {})),
    secrets: new Map(manifest.secrets.map(({ name }) => [name, `value of ${name}`])),
    isLab: options.isLab ?? false,
  };
}

function resolve(yaml: string, options: Options = {}): Resource[] {
  return orderResources(resolveStack(inputsOf(yaml, options)));
}

function pick<R extends Resource>(resources: readonly Resource[], kind: string, name?: string): R {
  const found = resources.find(
    (one) => one.kind === kind && (name === undefined || one.name === name),
  );
  if (found === undefined) throw new Error(`no ${kind} ${name ?? ""}`);
  return found as R;
}

function contentOf(resources: readonly Resource[], file: string): string {
  const { content } = pick<FileResource>(resources, "file", file);
  if ("text" in content) return content.text;
  return "secret" in content ? String(content.secret) : "";
}

const api = "web: { api: { build: ./api, port: 8080, health: /ok } }\n";

function launcherOf(resources: readonly Resource[], service = "api"): string {
  const { slots } = pick<ReleaseResource>(resources, "release", service);
  const file = slots.a.files.find((one) => one.path.endsWith(".sh"));
  return file !== undefined && "text" in file.content ? file.content.text : "";
}

describe("environment files", () => {
  test("env wins over env_file, which wins over what hostkit says", () => {
    const resources = resolve(
      "services: { p: { package: p.deb, env_file: ./e, env: { B: from env } } }\nweb: { n: { exec: /n, port: 9000, env_file: ./e } }\n",
      { texts: { "./e": "A=1\nB=file\nexport PORT='7'\n" } },
    );
    expect(contentOf(resources, "/etc/hostkit/s/p.env")).toBe('A="1"\nB="from env"\nPORT="7"\n');
    expect(contentOf(resources, "/etc/hostkit/s/n.env")).toContain('PORT="7"\n');
  });
});

describe("ports on loopback", () => {
  const manifestOf = (names: readonly string[]) =>
    inputsOf(`web: { ${names.map((name) => `${name}: { build: ./api, port: 80 }`).join(", ")} }\n`)
      .manifest;

  test("no two slots share one, all are below the kernel's own range", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/), { minLength: 1, maxLength: 60 }),
        (names) => {
          const ports = [...allocatePorts(manifestOf(names)).values()];
          expect(new Set(ports).size).toBe(names.length);
          for (const port of ports) {
            expect((port - 20_000) % 16).toBe(0);
            expect(port + 15).toBeLessThan(32_768);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  test("another service does not move one", () => {
    const alone = allocatePorts(manifestOf(["api"])).get("api");
    expect(allocatePorts(manifestOf(["aaa", "api", "zzz"])).get("api")).toBe(alone);
  });

  test("a published port is left free", () => {
    const alone = allocatePorts(manifestOf(["api"])).get("api") ?? 0;
    const { manifest } = inputsOf(
      `services: { p: { package: p.deb, ports: [${alone + 3}] } }\nweb: { api: { build: ./api, port: 80 } }\n`,
    );
    expect(allocatePorts(manifest).get("api")).not.toBe(alone);
  });
});

describe("a container", () => {
  test("is confined, and published on loopback only", () => {
    const text = launcherOf(resolve(api));
    for (const flag of [
      "--read-only",
      "--cap-drop ALL",
      "--security-opt no-new-privileges",
      "--pids-limit 512",
      "--memory 1073741824",
      "--log-driver none",
    ])
      expect(text).toContain(flag);
    // Once to run it, once to find out why it could not be run.
    const published = text.match(/--publish \S+/g) ?? [];
    expect(new Set(published).size).toBe(1);
    expect(published[0]).toMatch(/^--publish 127\.0\.0\.1:2\d{4}:8080$/);
    expect(text).not.toContain("/run/postgresql");
  });

  test("is a script that a shell can read, whatever the manifest says", () => {
    const text = launcherOf(
      resolve(
        `web: { api: { build: ./api, port: 80, health: "/a?b='c'&d=$(x)", command: [sh, -c, "echo '$HOME' \\"; exit"], volumes: ["/srv/it's:/data"] } }\n`,
      ),
    );
    execFileSync("sh", ["-n"], { input: text });
    expect(text).toContain(`'/srv/it'\\''s'`);
  });

  test("holds no secret and no variable in its launcher or unit", () => {
    const resources = resolve(
      "web: { api: { build: ./api, port: 80, secrets: [TOKEN], env: { A: plain-value } } }\n",
    );
    const { slots, release } = pick<ReleaseResource>(resources, "release");
    const shown = slots.a.files.flatMap(({ content }) => ("text" in content ? [content.text] : []));
    expect(shown.join("") + slots.a.upstream + release).not.toMatch(/value of TOKEN|plain-value/);
    const secret = slots.a.files.find((one) => one.path.endsWith("/TOKEN"));
    expect(secret).toMatchObject({
      content: { secret: "value of TOKEN" },
      mode: "0400",
      owner: "s-api",
    });
  });

  test("its release changes with the image and with how it runs, not with the slot", () => {
    const releaseOf = (yaml: string, context = "aa") =>
      pick<ReleaseResource>(resolve(yaml, { context }), "release").release;
    const first = releaseOf(api);
    expect(releaseOf(api)).toBe(first);
    expect(releaseOf(api, "bb")).not.toBe(first);
    expect(releaseOf(api.replace("/ok", "/other"))).not.toBe(first);
    const { slots } = pick<ReleaseResource>(resolve(api), "release");
    expect(parseUpstream(slots.a.upstream)).toMatchObject({ slot: "a", release: first });
    expect(parseUpstream(slots.b.upstream)).toMatchObject({ slot: "b", release: first });
  });

  test("build arguments are part of the tag", () => {
    const tagOf = (args: string) =>
      pick<ImageResource>(
        resolve(`web: { api: { build: { context: ./api, args: { A: ${args} } }, port: 80 } }\n`),
        "image",
      ).reference;
    expect(tagOf("one")).toMatch(/^hostkit\/s-api:[0-9a-f]{16}$/);
    expect(tagOf("one")).not.toBe(tagOf("two"));
  });

  test("stops before its successor where two would be in each other's way", () => {
    const isExclusive = (yaml: string) => pick<ReleaseResource>(resolve(yaml), "release").exclusive;
    expect(isExclusive(api)).toBe(false);
    expect(isExclusive("web: { a: { build: ./api, port: 80, stateful: true } }\n")).toBe(true);
    expect(isExclusive('web: { a: { build: ./api, port: 80, ports: ["7300:80"] } }\n')).toBe(true);
    expect(isExclusive("services: { a: { build: ./api } }\n")).toBe(true);
  });

  test("waits for its database and proves the login; without one there is nothing to prove", () => {
    const resources = resolve(
      "database: { engine: postgresql, databases: { d: { owner: o } } }\nweb: { api: { build: ./api, port: 80, database: d } }\n",
    );
    const release = pick<ReleaseResource>(resources, "release");
    expect(release.seam).toEqual({ user: "s-api", database: "d", role: "o" });
    expect(release.after).toContain("postgres-grants:d");
    expect(launcherOf(resources)).toContain(
      "type=bind,src=/run/postgresql,dst=/run/postgresql,readonly",
    );
    expect(pick<ReleaseResource>(resolve(api), "release").seam).toBeUndefined();
  });
});

describe("a native service", () => {
  const yaml =
    "services: { p: { package: p.deb, watchdog: 60s, secrets: [TOKEN], resources: { cpus: 0.5 } } }\n";

  test("is confined, and tells nothing in its unit", () => {
    const resources = resolve(yaml);
    const text = contentOf(resources, "/etc/systemd/system/s-p.service");
    expect(text).toContain("User=s-p\n");
    expect(text).toContain("WatchdogSec=60\n");
    expect(text).toContain("CPUQuota=50%\n");
    expect(text).toContain("LoadCredential=TOKEN:/etc/hostkit/s/secrets/p/TOKEN\n");
    expect(text).toContain("WantedBy=s.target\n");
    expect(text).not.toMatch(/^Environment=/m);
    expect(pick<FileResource>(resources, "file", "/etc/hostkit/s/p.env").mode).toBe("0600");
  });

  test("a download's own program is found inside it, another one on the host", () => {
    const line = (exec: string) =>
      /^ExecStart=(.*)$/m.exec(
        contentOf(
          resolve(
            `services: { p: { archive: { url: "https://x.example/t.tgz", sha256: ${"a".repeat(64)} }, exec: ${exec} } }\n`,
          ),
          "/etc/systemd/system/s-p.service",
        ),
      )?.[1];
    expect(line("./bin/tool --x")).toBe("/opt/hostkit/s/p/current/bin/tool --x");
    expect(line("bin/tool")).toBe("/opt/hostkit/s/p/current/bin/tool");
    expect(line("node server.js")).toBe("node server.js");
    expect(line("/usr/bin/x")).toBe("/usr/bin/x");
  });
});

describe("the proxy", () => {
  const site = (tls: string) =>
    `${api}proxy: { sites: { x.example.org: { tls: ${tls}, routes: { /api/*: api, "/*": api } } } }\n`;
  const caddyfile = (resources: readonly Resource[]) =>
    pick<CaddyResource>(resources, "caddy").sites;

  test("asks a public CA outside of the lab, its own one inside", () => {
    expect(caddyfile(resolve(site("acme")))).not.toMatch(/^\ttls /m);
    expect(caddyfile(resolve(site("acme"), { isLab: true }))).toMatch(/^\ttls internal$/m);
    const directed = site("acme").replace(
      "proxy: {",
      "proxy: { acme_directory: https://pebble.test/dir,",
    );
    const sites = caddyfile(resolve(directed, { isLab: true }));
    expect(sites).toContain("\t\tissuer acme {\n\t\t\tdir https://pebble.test/dir\n\t\t}\n");
  });

  test("two Caddys have the same sites: all that is changed is handed over by the one, HTTP/3 is the other's", () => {
    const { main, dropIn, unitFiles } = pick<CaddyResource>(resolve(site("internal")), "caddy");
    const [program, http3] = unitFiles.map(({ content }) =>
      "text" in content ? content.text : "",
    );
    const imported = /^import .*$/m;
    expect(main).toContain("\t\tprotocols h1 h2\n");
    expect(http3).toContain("\t\tprotocols h3\n");
    expect(http3).toContain("\tauto_https disable_redirects\n");
    expect(imported.exec(main)?.[0]).toBe(imported.exec(http3 ?? "")?.[0]);
    const called = [...dropIn.matchAll(/caddy-handover (\w+)$/gm)].map(([, verb]) => verb);
    expect(new Set(called)).toEqual(new Set(["look", "start", "take", "http3", "deafen"]));
    for (const verb of called) expect(program).toContain(`${verb} => \\&${verb}`);
  });

  test("reads where a service listens from the file that its release writes", () => {
    const resources = resolve(site("internal"));
    expect(caddyfile(resources)).toMatch(
      /handle \/api\/\* \{\n\t\t\timport \/etc\/hostkit\/s\/upstreams\/api\.caddy\n/,
    );
    expect(pick<CaddyResource>(resources, "caddy").after).toContain("release:api");
  });

  test("a key is readable by Caddy alone, and goes with its certificate", () => {
    const resources = resolve(site("{ certificate: c.pem, key: k.pem }"), {
      texts: { "c.pem": "CERT", "k.pem": "KEY" },
    });
    const [certificate, key] = pick<CaddyResource>(resources, "caddy").files;
    expect(key).toMatchObject({
      ...{ mode: "0640", owner: "root", group: "caddy", content: { secret: "KEY" } },
    });
    expect(certificate?.content).toEqual({ text: "CERT" });
    expect(caddyfile(resources)).toContain(`\ttls ${certificate?.path} ${key?.path}\n`);
    const other = resolve(site("{ certificate: c.pem, key: k.pem }"), {
      texts: { "c.pem": "OTHER", "k.pem": "KEY" },
    });
    expect(pick<CaddyResource>(other, "caddy").files[1]?.path).not.toBe(key?.path);
    expect(caddyfile(resources)).not.toContain("KEY");
  });

  test("Ubuntu 22.04 has none", () => {
    expect(() => resolve(site("acme"), { distribution: "ubuntu", version: "22.04" })).toThrow(
      /no package caddy/,
    );
  });
});

describe("the target", () => {
  test("wants what the stack runs; containers hang themselves on it", () => {
    const resources = resolve(
      `services: { p: { package: p.deb } }\n${api}proxy: { sites: { x.example.org: { tls: internal, routes: { "/*": api } } } }\n`,
    );
    const { text } = pick<TargetResource>(resources, "target");
    for (const name of ["caddy.service", "docker.service", "s-p.service"])
      expect(text).toContain(`Wants=${name}\n`);
    expect(text).not.toContain("s-api");
  });
});

describe("unitsOfService", () => {
  test("the active slot, one unit a replica", () => {
    const { manifest } = inputsOf(
      "web: { api: { build: ./api, port: 80, replicas: 2 } }\nservices: { p: { package: p.deb } }\n",
    );
    const facts = Facts.of([
      textFacts,
      { "/etc/hostkit/s/upstreams/api.caddy": "# hostkit: slot b, release 12ab, image x:1\n" },
    ]);
    expect(unitsOfService(manifest, "api", facts)).toEqual(["s-api-b.service", "s-api-b2.service"]);
    expect(unitsOfService(manifest, "p", facts)).toEqual(["s-p.service"]);
    expect(unitsOfService(manifest, "api", Facts.of())).toEqual([]);
    expect(unitsOfService(manifest, "nobody", facts)).toEqual([]);
  });
});
