import { readdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import path from "node:path";
import { downLabHost, upLabHost } from "../../src/lab/host.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { grantsOf, stackFolder } from "./dx-stack.ts";
import { until } from "./lab-project.ts";
import { PsqlSession } from "./psql-session.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The DX Cluster API as a process on a lab host, beside a PostgreSQL that the stack's migrations were run in. */
export interface DxApi {
  readonly host: LabHost;
  readonly base: string;
  get(where: string, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  /** The body of a 200, parsed; fails the test otherwise. */
  json<T>(where: string): Promise<T>;
  /** Lines that psql prints, as the database's superuser or as a role. */
  sql(text: string, role?: string): Promise<readonly string[]>;
  stopDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  /** Runs shell text as root. */
  run(text: string): Promise<string>;
  /** One more API process on another port. */
  start(unit: string, environment: string): Promise<void>;
  down(): Promise<void>;
}

/** The roles that the stack's manifest asks hostkit for. */
const roles = `
create role dx_owner login; create role dx_scraper login; create role dx_reader login;
create database dxcluster owner dx_owner;`;

export async function makeDxApi(name: string): Promise<DxApi> {
  await downLabHost(name);
  const host = await upLabHost({ name, os: "debian-13" });
  const run = async (text: string, input?: string): Promise<string> => {
    const options = input === undefined ? {} : { input };
    const result = await runOnLabHost(host, `set -e; ${text}`, options);
    if (result.exitCode !== 0) throw new Error(`${text}\n${result.stdout}\n${result.stderr}`);
    return result.stdout;
  };
  const psql = (database: string, role = "postgres"): string =>
    `runuser -u ${role} -- psql -XAtq -v ON_ERROR_STOP=1 -d ${database}`;
  await run(
    "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq --no-install-recommends postgresql nodejs libfaketime >/dev/null 2>&1; for role in dx_owner dx_scraper dx_reader; do useradd --system $role; done; systemctl start postgresql.service",
  );
  await until(
    "PostgreSQL answers",
    async () =>
      (await runOnLabHost(host, `${psql("postgres")} -c 'select 1'`)).stdout.trim() === "1",
  );
  await run(psql("postgres"), roles);
  await run(psql("dxcluster"), "create extension pg_trgm;");
  const migrations = path.join(stackFolder, "db/migrations");
  // Each in a transaction of its own, as hostkit runs them.
  const files = readdirSync(migrations).sort();
  const texts = files.map((file) => readFileSync(path.join(migrations, file), "utf8"));
  await run(
    psql("dxcluster", "dx_owner"),
    texts.map((text) => `begin;\n${text}\ncommit;`).join("\n"),
  );
  await run(psql("dxcluster"), `${grantsOf("dx_scraper")}\n${grantsOf("dx_reader")}`);
  await run(
    "mkdir -p /opt/api; cat >/opt/api/server.cjs",
    readFileSync(path.join(stackFolder, "api/dist/server.cjs"), "utf8"),
  );
  const sessions = new Map<string, PsqlSession>();
  const sessionOf = (role: string): PsqlSession => {
    const session = sessions.get(role) ?? new PsqlSession(host, psql("dxcluster", role));
    sessions.set(role, session);
    return session;
  };
  const api: DxApi = {
    host,
    base: `http://${host.address}:8080`,
    get: (where, headers = {}) => ask(`http://${host.address}:8080${where}`, headers),
    async json(where) {
      const answer = await api.get(where);
      if (answer.status !== 200) throw new Error(`${where}: ${answer.status} ${answer.text}`);
      return JSON.parse(answer.text);
    },
    sql: (text, role = "postgres") => sessionOf(role).ask(text),
    async stopDatabase() {
      for (const session of sessions.values()) await session.close();
      await run("systemctl stop postgresql@17-main.service");
    },
    async startDatabase() {
      await run("systemctl start postgresql@17-main.service");
    },
    run,
    async start(unit, environment) {
      await run(
        `systemd-run -q --unit=${unit} -p User=dx_reader -p Restart=always -p Environment='PGHOST=/run/postgresql PGDATABASE=dxcluster ${environment}' node /opt/api/server.cjs`,
      );
      const port = /PORT=(\d+)/.exec(environment)?.[1] ?? "8080";
      await until(`${unit} is well`, async () => {
        const answer = await ask(`http://${host.address}:${port}/api/health`, {});
        return answer.status === 200;
      });
    },
    async down() {
      for (const session of sessions.values()) await session.close();
      await downLabHost(name);
    },
  };
  await api.start("dx-api", "PORT=8080");
  return api;
}

/** GET of a URL as it is: fetch() would ask for compression and follow redirects. */
export function ask(url: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const call = get(url, { headers, agent: false, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on("error", reject);
    });
    call.on("timeout", () => call.destroy(new Error(`${url}: no answer within 10 s`)));
    call.on("error", reject);
  });
}

export interface HeardEvent {
  readonly name: string;
  readonly id: number;
  readonly data: string;
}

export interface Stream {
  readonly status: number;
  readonly events: readonly HeardEvent[];
  /** Still connected. */
  readonly isOpen: boolean;
  close(): void;
}

/** Joins the stream; what it sends is in `events` as it comes. */
export function openStream(
  base: string,
  headers: Readonly<Record<string, string>>,
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const call = get(`${base}/api/spots/stream`, { headers, agent: false }, (response) => {
      const events: HeardEvent[] = [];
      const stream = {
        status: response.statusCode ?? 0,
        events,
        isOpen: true,
        close: () => void call.destroy(),
      };
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        const blocks = (rest + part).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const field = (wanted: string): string | undefined =>
            new RegExp(`^${wanted}: (.*)$`, "m").exec(block)?.[1];
          const event = field("event");
          if (event !== undefined)
            events.push({ name: event, id: Number(field("id")), data: field("data") ?? "" });
        }
      });
      response.on("close", () => {
        stream.isOpen = false;
      });
      response.on("error", () => undefined);
      resolve(stream);
    });
    call.on("error", reject);
  });
}
