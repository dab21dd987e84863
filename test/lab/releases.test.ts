import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { nodeImageTag } from "../../src/lab/node-image.ts";
import { makeProject } from "../harness/lab-project.ts";
import { servicePackages } from "../harness/release-project.ts";
import { testedSystems } from "../harness/systems.ts";
import type { CliResult, LabProject } from "../harness/lab-project.ts";

interface SeenRelease {
  readonly id: string;
  readonly service: string;
  readonly state: string;
  readonly image: string;
  readonly by?: string;
}

const records = "/var/lib/hostkit/kiosk/releases";
const folder = `${records}/page`;

/** A release is a record: what was released is known from files, not from the text of scripts. */
describe.each(testedSystems)("releases, on %s", { sequential: true }, (os) => {
  let project: LabProject;

  beforeAll(async () => {
    project = await makeProject(
      "releases",
      os,
      `stack: kiosk
hosts: {}
web:
  page: { build: page, port: 8000, health: /, watch: none, volumes: [things:/things] }
proxy:
  sites: { kiosk.lab.example: { tls: internal, routes: { "/*": page } } }
host: { updates: none }
firewall: none
`,
      servicePackages[os],
    );
    await offerNodeImage(project.host);
    await mkdir(path.join(project.folder, "page"));
  });
  afterAll(() => project?.down());

  const write = (text: string, exit = "") =>
    project.write(
      "page/Dockerfile",
      `FROM ${nodeImageTag}
CMD ["node", "-e", "${exit}process.on('SIGTERM', () => process.exit()); require('http').createServer((_, r) => r.end('${text}')).listen(8000)"]
`,
    );
  const provision = async (): Promise<CliResult> => project.hostkit("provision", "--yes");
  const succeed = async (result: Promise<CliResult>): Promise<CliResult> => {
    const done = await result;
    expect(done.exitCode, done.stdout + done.stderr).toBe(0);
    return done;
  };
  const states = async (): Promise<string[]> =>
    (
      await project.onHost(
        `for f in ${folder}/*.jsonl; do sed -n 's/^{"state":"\\([a-z]*\\)".*/\\1/p' $f | tail -n 1; done`,
      )
    ).split("\n");
  const images = async (): Promise<string[]> =>
    (
      await project.onHost(
        "docker image ls --format '{{.Repository}}:{{.Tag}}' hostkit/kiosk-page | sort",
      )
    ).split("\n");
  const current = async (): Promise<SeenRelease[]> => {
    const { stdout } = await project.hostkit("status", "--json");
    return (
      (JSON.parse(stdout) as { hosts: { releases: SeenRelease[] }[] }).hosts[0]?.releases ?? []
    );
  };
  const page = () =>
    project.onHost("curl -sk --resolve kiosk.lab.example:443:127.0.0.1 https://kiosk.lab.example/");
  const started = () =>
    project.onHost(
      "systemctl show -p ActiveEnterTimestampMonotonic -p InvocationID 'kiosk-page-*.service' caddy.service docker.service; docker ps -q --no-trunc",
    );

  test("each leaves one: who, when, why, and from what", async () => {
    await write("one");
    await succeed(provision());
    expect(await states()).toEqual(["serving"]);
    await write("two");
    await succeed(provision());
    expect(await states()).toEqual(["replaced", "serving"]);
    const [serving] = await current();
    expect(serving).toMatchObject({ service: "page", state: "serving" });
    expect(serving?.by).toMatch(/^\S+@\S+$/);
    const text = await project.onHost(`cat ${folder}/${serving?.id}.jsonl`);
    expect(text).toContain(`"because":"image `);
    expect(text).toMatch(/"imageId":"sha256:[0-9a-f]{64}"/);
    expect(text).toMatch(/kiosk-page-b\.env","keyed":"[0-9a-f]{64}"/);
    const [, path_ = "", hash = ""] =
      /"file":"([^"]*\.sh)","sha256":"([0-9a-f]{64})"/.exec(text) ?? [];
    expect(await project.onHost(`sha256sum <${path_}`)).toContain(hash);
    expect(
      await project.onHost(
        `find ${records} ! -user root -o -type f ! -perm 600 -o -type d ! -perm 700`,
      ),
    ).toBe("");
    const last = JSON.parse((await project.hostkit("runs", "--json")).stdout) as {
      hosts: { runs: { run: string }[] }[];
    };
    expect(last.hosts[0]?.runs.at(-1)?.run).toBe(serving?.id);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test("former ones stay, with their images", async () => {
    await write("three");
    await succeed(provision());
    expect(await states()).toEqual(["replaced", "replaced", "serving"]);
    expect(await images()).toHaveLength(3);
  });

  test("a rollback goes back, a second one further, and provision does not undo that without a word", async () => {
    const [newest] = await current();
    expect(await page()).toBe("three");
    await succeed(project.hostkit("rollback", "page", "--yes"));
    expect(await page()).toBe("two");
    await succeed(project.hostkit("rollback", "page", "--yes"));
    expect(await page()).toBe("one");
    const plan = await project.hostkit("plan");
    expect(plan.exitCode, plan.stdout).toBe(2);
    expect(plan.stdout).toContain("went back from this release of page");
    const refused = await provision();
    expect(refused.exitCode, refused.stdout).toBe(65);
    expect(refused.stderr).toContain("hostkit rollback page --forget");
    expect(await page()).toBe("one");
    const further = await project.hostkit("rollback", "page", "--yes");
    expect(further.exitCode).toBe(64);
    expect(further.stderr).toContain("there is no release of page to go back to");
    await succeed(project.hostkit("rollback", "page", newest?.id ?? "", "--yes"));
    expect(await page()).toBe("three");
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    expect((await states()).filter((state) => state === "replaced")).toHaveLength(2);
    const listed = await project.hostkit("releases", "page");
    expect(listed.stdout).toContain("can be gone back to");
    expect(
      await project.onHost(
        `find ${records} ! -user root -o -type f ! -perm 600 -o -type d ! -perm 700; systemctl --failed --no-legend`,
      ),
    ).toBe("");
  });

  test("what was gone back from comes again once the word is given", async () => {
    await succeed(project.hostkit("rollback", "page", "--yes"));
    expect(await page()).not.toBe("three");
    await succeed(project.hostkit("rollback", "page", "--forget"));
    await succeed(provision());
    expect(await page()).toBe("three");
  });

  test("one that fails is on record; clean takes its image, and none that is needed", async () => {
    const before = await images();
    const [serving] = await current();
    await write("four", "process.exit(1);");
    const failed = await provision();
    expect(failed.exitCode, failed.stdout).not.toBe(0);
    expect((await states()).slice(-2)).toEqual(["serving", "failed"]);
    expect((await current()).map(({ state }) => state)).toEqual(["serving", "failed"]);
    expect((await current())[0]).toEqual(serving);
    expect((await project.hostkit("status")).stdout).toContain("a later release failed");
    expect(await images()).toHaveLength(before.length + 1);
    await succeed(project.hostkit("clean", "--only", "images", "--yes"));
    expect(await images()).toEqual(before);
  });

  test("what is stopped is needed all the same", async () => {
    const before = await images();
    await write("three");
    await succeed(provision());
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
    await succeed(project.hostkit("stop"));
    expect((await project.hostkit("clean", "--only", "images", "--yes")).stdout).toContain(
      "nothing to clean",
    );
    expect(await images()).toEqual(before);
    await succeed(project.hostkit("start"));
  });

  test("released by a hostkit that kept no records: provision writes what serves down, and restarts nothing", async () => {
    await project.onHost(`rm -r ${records}`);
    const before = await images();
    const running = await started();
    expect((await project.hostkit("clean", "--only", "images", "--yes")).stdout).toContain(
      "nothing to clean",
    );
    expect(await images()).toEqual(before);
    const plan = await project.hostkit("plan", "--json");
    expect(plan.exitCode).toBe(2);
    const { hosts } = JSON.parse(plan.stdout) as { hosts: { changes: { id: string }[] }[] };
    expect(hosts[0]?.changes.map(({ id }) => id)).toEqual(["release:page"]);
    await succeed(provision());
    expect(await states()).toEqual(["serving"]);
    expect(await started()).toBe(running);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test("a run that was killed while it released is settled by the next one", async () => {
    await write("five");
    const running = project.start("provision", "--yes");
    await project.onHost(
      `until grep -q '"begun"' ${folder}/*.jsonl && [ "$(ls ${folder}/*.jsonl | wc -l)" = 2 ] && docker ps --format '{{.Names}}' | grep -q .; do sleep 0.05; done; systemctl kill -s KILL 'hostkit-run-kiosk-*.service'`,
    );
    await running;
    expect(await states()).toEqual(["serving", "begun"]);
    await succeed(provision());
    expect((await states()).toSorted()).toEqual(["failed", "replaced", "serving"]);
    expect(await project.hostkit("plan")).toMatchObject({ exitCode: 0 });
  });

  test.runIf(process.env["HOSTKIT_LONG"] === "1")(
    "uninstall keeps the volume, and no record",
    async () => {
      await succeed(project.hostkit("uninstall", "--yes"));
      expect(await project.onHost("ls /var/lib/hostkit/kiosk/state.jsonl")).not.toBe("");
      expect((await project.tryOnHost(`ls ${records}`)).exitCode).not.toBe(0);
    },
  );
});
