import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** A page that says `answer <text>`; it is what the build copies, and what the image copies then. */
const serverOf = (text: string) =>
  `const answer = ${JSON.stringify(`answer ${text}\n`)};
require("http").createServer((_, response) => response.end(answer)).listen(8000);
process.on("SIGTERM", () => process.exit());
`;

interface DevEvent {
  readonly event: string;
  readonly urls?: Readonly<Record<string, string>>;
  readonly how?: string;
  readonly services?: readonly string[];
  readonly error?: {
    readonly code: string;
    readonly why?: string;
    readonly details?: readonly string[];
  };
}

/** A session of `hostkit dev --json`, and what it told so far. */
class Dev {
  readonly #running: ReturnType<LabProject["start"]>;
  #text = "";
  #read = 0;
  #hasEnded = false;

  constructor(project: LabProject) {
    this.#running = project.start("dev", "--on-host", "--yes", "--json");
    this.#running.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
    void this.#running.then(() => {
      this.#hasEnded = true;
    });
  }

  /** The next event of this kind that fits; those before it are passed over. */
  async next(kind: string, fits: (event: DevEvent) => boolean = () => true): Promise<DevEvent> {
    let found: DevEvent | undefined;
    const look = () => {
      const events = this.#text.split("\n").slice(0, -1);
      while (found === undefined && this.#read < events.length) {
        const event = JSON.parse(events[this.#read++] ?? "") as DevEvent;
        if (event.event === kind && fits(event)) found = event;
      }
      return Promise.resolve(found !== undefined || this.#hasEnded);
    };
    await until(kind, look, 120).catch(() => undefined);
    if (found === undefined) throw new Error(`no event ${kind} that fits: ${this.#text}`);
    return found;
  }

  /** The next failure that shows this text. */
  async failure(text: string): Promise<DevEvent["error"]> {
    const shows = ({ error }: DevEvent) => error?.details?.join("\n").includes(text) === true;
    return (await this.next("failed", shows)).error;
  }

  async leave(): Promise<number | undefined> {
    this.#running.kill("SIGINT");
    return (await this.#running).exitCode;
  }
}

describe("the verbs of every day, on Debian 13", () => {
  let project: LabProject;
  let dev: Dev | undefined;

  beforeAll(async () => {
    project = await makeProject(
      "verbs",
      "debian-13",
      `stack: shop
hosts: {}
build_command: ./make
database: { databases: { store: { owner: keeper } } }
services:
  worker: { exec: [/bin/sh, -c, while echo tick; do sleep 1; done] }
web:
  page: { build: { context: page, args: { BASE_IMAGE: "${nodeImageTag}" } }, port: 8000, health: /, watch: none }
proxy:
  sites: { shop.lab.example: { tls: internal, routes: { "/*": page } } }
host: { updates: none }
firewall: none
`,
    );
    await offerNodeImage(project.host);
    for (const folder of ["page", "src"]) await mkdir(path.join(project.folder, folder));
    // The test's home is here too.
    await project.write(".gitignore", "dist/\n.state/\n.cache/\n");
    await project.write(
      "make",
      "#!/bin/sh\nset -e\nmkdir -p page/dist\nnode --check src/server.js\ncp src/server.js page/dist/server.js\n",
    );
    await chmod(path.join(project.folder, "make"), 0o755);
    await project.write("src/server.js", serverOf("one"));
    await project.write(
      "page/Dockerfile",
      'ARG BASE_IMAGE=node:20-slim\nFROM ${BASE_IMAGE}\nCOPY dist/server.js /server.js\nCMD ["node", "/server.js"]\n',
    );
  });
  afterAll(async () => {
    await dev?.leave();
    await project?.down();
  });

  /** As editors save: the file is there as a whole or not at all. */
  const save = async (file: string, text: string): Promise<void> => {
    const beside = `${project.folder}.saved`;
    await writeFile(beside, text);
    await rename(beside, path.join(project.folder, file));
  };

  /** What the page says on the host itself. */
  const answer = () =>
    project.onHost("curl -sk --resolve shop.lab.example:443:127.0.0.1 https://shop.lab.example/");

  test("build makes what provision needs", async () => {
    const early = await project.hostkit("build", "--json");
    expect(early.exitCode, early.stderr).toBe(0);
    const { products } = JSON.parse(early.stdout) as { products: { service: string }[] };
    expect(products.map(({ service }) => service)).toEqual(["page"]);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(await answer()).toBe("answer one");
  });

  test("stop, start and restart take one service or all, and status tells", async () => {
    expect(await project.hostkit("stop", "page")).toMatchObject({ exitCode: 0 });
    const stopped = await project.hostkit("status", "--json");
    expect(stopped).toMatchObject({ exitCode: 1 });
    expect(stopped.stdout).toContain("shop-page-a.service");
    expect(await project.hostkit("start", "page")).toMatchObject({ exitCode: 0 });
    const started = await project.hostkit("status", "--json");
    expect(started.exitCode, started.stdout).toBe(0);
    expect(await answer()).toBe("answer one");
    const processes = () =>
      project.onHost("systemctl show -p MainPID --value shop-worker.service shop-page-a.service");
    const before = await processes();
    expect(await project.hostkit("restart")).toMatchObject({ exitCode: 0 });
    const after = (await processes()).split(/\s+/);
    for (const pid of before.split(/\s+/)) expect(after).not.toContain(pid);
  });

  test("logs follows what a service writes", async () => {
    const following = project.start("logs", "worker", "-f", "-n", "0");
    let seen = "";
    following.stdout?.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await until("it ticks", () => Promise.resolve(seen.includes("tick")));
    following.kill("SIGINT");
    expect(await following).toMatchObject({ exitCode: 130 });
  });

  test("database shell asks the database as its owner", async () => {
    const plain = await project.hostkit(
      "database",
      "shell",
      "-c",
      "create table t as select 7 n",
      "-c",
      "\\dt",
    );
    expect(plain.exitCode, plain.stderr).toBe(0);
    expect(plain.stdout).toMatch(/public \| t +\| table \| keeper/);
    const rows = await project.hostkit("database", "shell", "--json", "-c", "select n from t");
    expect(JSON.parse(rows.stdout)).toMatchObject({ role: "keeper", rows: [{ n: 7 }] });
    const wrong = await project.hostkit("database", "shell", "--read-only", "-c", "drop table t");
    expect(wrong).toMatchObject({ exitCode: 3 });
    expect(wrong.stderr).toContain("read-only transaction");
  });

  test("dev: what is saved is live; what is broken is told, and what served before serves on", async () => {
    dev = new Dev(project);
    const { urls } = await dev.next("ready");
    const url = urls?.["shop.lab.example"] ?? "";
    const says = (text: string) =>
      until(`the page says ${text}`, async () => (await (await fetch(url)).text()) === text);
    await says("answer one\n");

    await save("src/server.js", serverOf("two"));
    expect(await dev.next("live")).toMatchObject({ how: "restarted", services: ["page"] });
    await says("answer two\n");

    await save("src/server.js", "this is no program\n");
    expect((await dev.failure("SyntaxError"))?.code).toBe("local_command_failed");
    await says("answer two\n");

    await save("src/server.js", 'throw new Error("not today");\n');
    expect((await dev.failure("not today"))?.why).toContain("what it had before is back");
    await says("answer two\n");

    await save("src/server.js", serverOf("three"));
    expect(await dev.next("live")).toMatchObject({ how: "restarted" });
    await says("answer three\n");
  });

  test("dev: a Dockerfile is built and released; a second session is refused", async () => {
    const second = await project.hostkit("dev", "--on-host", "--yes");
    expect(second).toMatchObject({ exitCode: 75 });
    expect(second.stderr).toContain("somebody else is developing there");
    const dockerfile = await project.read("page/Dockerfile");
    await save("page/Dockerfile", `${dockerfile}ENV SAID=anew\n`);
    expect(await dev?.next("live")).toMatchObject({ how: "provisioned" });
    const container = await project.onHost("docker ps -q --filter name=shop-page");
    expect(await project.onHost(`docker inspect -f '{{.Config.Env}}' ${container}`)).toContain(
      "SAID=anew",
    );
    expect(await answer()).toBe("answer three");
  });

  test("after dev, plan tells the difference and provision takes it away", async () => {
    expect(await dev?.leave()).toBe(0);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 2 });
    const kept = await project.hostkit("clean", "--only", "sources", "--yes");
    expect(kept.stdout, "a release has them mounted").toContain("nothing to clean");
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(await answer()).toBe("answer three");
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test("clean takes what nobody needs, and nothing else", async () => {
    await project.onHost(`cd "$(mktemp -d)" && echo mine >x && for name in hostkit/shop-page:0123456789abcdef mine/app:1; do
  printf 'FROM ${nodeImageTag}\\nCOPY x /%s\\n' "$(echo "$name" | tr -dc a-z)" >Dockerfile
  DOCKER_BUILDKIT=0 docker build -q -t "$name" . 2>/dev/null
done && docker volume create precious`);
    const images = () =>
      project.onHost("docker image ls --format '{{.Repository}}:{{.Tag}}' | sort");
    const before = (await images()).split("\n");
    const words = ["clean", "--only", "images", "--only", "apt", "--only", "built"];
    const dry = await project.hostkit(...words, "--dry-run", "--json");
    const { places } = JSON.parse(dry.stdout) as { places: { entries: { name: string }[] }[] };
    const names = places.flatMap(({ entries }) => entries.map(({ name }) => name));
    expect(names.sort()).toEqual([
      "/var/cache/apt/archives",
      "hostkit/shop-page:0123456789abcdef",
      "page/dist",
    ]);
    expect(await project.hostkit(...words)).toMatchObject({ exitCode: 64 });
    expect((await images()).split("\n")).toEqual(before);
    const cleaned = await project.hostkit(...words, "--yes");
    expect(cleaned.exitCode, cleaned.stdout + cleaned.stderr).toBe(0);
    expect((await images()).split("\n")).toEqual(
      before.filter((name) => name !== "hostkit/shop-page:0123456789abcdef"),
    );
    expect(
      await project.onHost("docker volume ls -q; ls /var/cache/apt/archives/*.deb || true"),
    ).toBe("precious");
    expect(await project.hostkit("database", "shell", "-c", "select n from t")).toMatchObject({
      exitCode: 0,
    });
    expect(await answer()).toBe("answer three");
    expect(await project.hostkit("build")).toMatchObject({ exitCode: 0 });
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });
});
