import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import type { PlanDocument } from "../../src/report/plan.ts";
import { makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** What is outside a scope is neither changed nor taken away, and is still to be done afterwards. */
describe("provision --only, on Debian 13", { sequential: true }, () => {
  let project: LabProject;

  beforeAll(async () => {
    const web = (name: string): string =>
      `  ${name}: { build: { context: ./page, args: { BASE_IMAGE: "hostkit-lab/node:20" } }, port: 8000, health: /, watch: none, env: { RELEASE: first } }\n`;
    project = await makeProject(
      "scope",
      "debian-13",
      `stack: pair
hosts: {}
web:
${web("one")}${web("two")}services:
  spare: { exec: [/bin/sleep, infinity] }
proxy:
  sites:
    one.lab.example: { tls: internal, routes: { "/*": one, "/two/*": two } }
host: { updates: none }
firewall: none
`,
    );
    await offerNodeImage(project.host);
    await mkdir(path.join(project.folder, "page"));
    await project.write(
      "page/Dockerfile",
      'ARG BASE_IMAGE=node:20-slim\nFROM ${BASE_IMAGE}\nCOPY server.js /server.js\nCMD ["node", "/server.js"]\n',
    );
    await project.write(
      "page/server.js",
      'require("http").createServer((_, answer) => answer.end(process.env.RELEASE)).listen(8000);\nprocess.on("SIGTERM", () => process.exit());\n',
    );
  });
  afterAll(() => project?.down());

  const provision = async (...words: string[]): Promise<string> => {
    const result = await project.hostkit("provision", "--yes", ...words);
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    return result.stdout;
  };
  /** Container and files of a service. */
  const lookAt = (service: string): Promise<string> =>
    project.onHost(
      `docker ps --no-trunc --format '{{.ID}} {{.Names}}' | grep pair-${service}; find /etc/hostkit/pair /etc/systemd/system -type f -name '*${service}*' | sort | xargs stat -c '%n %Y %i'`,
    );
  const plan = async (...words: string[]) => {
    const result = await project.hostkit("plan", "--json", ...words);
    const { hosts } = JSON.parse(result.stdout) as PlanDocument;
    return { ...result, host: hosts[0] };
  };

  test("a name that nobody has is refused with the one that was meant", async () => {
    const refused = await project.hostkit("provision", "--yes", "--only", "two,onee");
    expect(refused.exitCode).toBe(64);
    expect(refused.stderr).toContain('no service "onee"; did you mean one?');
  });

  test("a first provision of one service leaves the other, and a proxy that needs both, for later", async () => {
    const said = await provision("--only", "one");
    expect(said).toMatch(/left as it is, though --only one has a part in it: unit:caddy\.service/);
    expect(await project.onHost("docker ps --format '{{.Names}}'")).toBe("pair-one-a");
    expect(await project.onHost("systemctl is-enabled pair.target")).toBe("enabled");
    expect((await project.tryOnHost("test -e /etc/caddy/hostkit")).exitCode).toBe(1);
    expect((await plan("--only", "one")).exitCode).toBe(0);
  });

  test("without a scope, the rest follows", async () => {
    await provision();
    expect((await plan()).exitCode).toBe(0);
  });

  test("of two changed services only the one asked for is changed; the other and a removal wait", async () => {
    await project.edit(
      [["web", "one", "env", "RELEASE"], "second"],
      [["web", "two", "env", "RELEASE"], "second"],
      [["services"], {}],
    );
    const before = { one: await lookAt("one"), two: await lookAt("two") };
    const whole = (await plan()).host?.changes ?? [];
    const removals = whole.filter(({ action }) => action === "delete").length;
    expect(removals).toBeGreaterThan(0);
    const shown = await project.hostkit("plan", "--only", "one");
    expect(shown.exitCode, shown.stderr).toBe(2);
    expect(shown.stdout).toMatch(
      new RegExp(`outside --only one: \\d+ changes? and ${removals} removals? wait`),
    );
    const said = await provision("--only", "one");
    expect(said).toContain("nothing is left to change for --only one");
    expect(said).toContain("outside --only one:");

    expect(await lookAt("two")).toBe(before.two);
    expect(await lookAt("one")).not.toBe(before.one);
    expect(await project.onHost("systemctl is-active pair-spare.service")).toBe("active");
    expect(await project.onHost("cat /var/lib/hostkit/pair/state.jsonl")).toContain(
      '"name":"pair-spare.service"',
    );
  });

  test("a plan afterwards shows what waits, and a run of the whole does it", async () => {
    expect((await plan("--only", "one")).exitCode).toBe(0);
    const rest = await plan();
    expect(rest.exitCode).toBe(2);
    const ids = rest.host?.changes.map(({ action, id }) => `${action} ${id}`) ?? [];
    expect(ids).toContain("update release:two");
    expect(ids).toContain("delete unit:pair-spare.service");
    expect(ids.join("\n")).not.toContain("release:one");
    await provision();
    expect((await plan()).exitCode).toBe(0);
    expect((await project.tryOnHost("systemctl cat pair-spare.service")).exitCode).not.toBe(0);
    const { stdout } = await project.hostkit("runs", "--json");
    const runs = JSON.parse(stdout) as { hosts: { runs: { verb: string }[] }[] };
    expect(runs.hosts[0]?.runs.map(({ verb }) => verb)).toEqual([
      "provision --only one",
      "provision",
      "provision --only one",
      "provision",
    ]);
  });
});
