import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { ensureNodeImage, nodeImageTag } from "../../src/lab/node-image.ts";
import { getSite, makeProject } from "../harness/lab-project.ts";
import { testedSystems } from "../harness/systems.ts";
import type { LabProject } from "../harness/lab-project.ts";
import { servicePackages, shopSite, succeed } from "../harness/release-project.ts";

const program =
  "process.on('SIGTERM', () => process.exit()); const fs = require('node:fs'); require('node:http').createServer((_, answer) => answer.end(fs.existsSync('/version') ? fs.readFileSync('/version') : 'archive')).listen(8000)";

/** `deploy` releases what is named and nothing else, and what it was told is not undone without a word. */
describe.each(testedSystems)("deploy, on %s", { sequential: true }, (os) => {
  let project: LabProject;
  let archive: string;

  beforeAll(async () => {
    const service = (name: string) => `  ${name}:
    build: ${name}
    build_command: "mkdir -p ${name}/made"
    command: ${JSON.stringify(["node", "-e", program])}
    port: 8000
    health: { path: /, interval: 2s, timeout: 2s, grace: 20s }
    resources: { memory: 128M }
    watch: none
`;
    project = await makeProject(
      "deploy",
      os,
      `stack: shop
hosts: {}
web:
${service("page")}${service("talk")}proxy:
  sites: { ${shopSite}: { tls: internal, routes: { "/talk": talk, "/*": page } } }
host: { updates: none }
firewall: none
`,
      servicePackages[os],
    );
    await offerNodeImage(project.host);
    archive = (await ensureNodeImage()).file;
    for (const name of ["page", "talk"]) {
      await mkdir(path.join(project.folder, name));
      await project.write(`${name}/Dockerfile`, `FROM ${nodeImageTag}\nCOPY version /\n`);
      await project.write(`${name}/version`, "one");
    }
    await succeed(project.hostkit("provision", "--yes"));
  });
  afterAll(() => project?.down());

  const answer = async (where = "/") => (await getSite(project.host.address, shopSite, where)).body;

  test("only what is named comes", async () => {
    await project.write("page/version", "two");
    await project.write("talk/version", "two");
    const { stdout } = await succeed(project.hostkit("deploy", "page", "--yes"));
    expect(stdout).toContain("nothing is left to change for --only page");
    expect([await answer(), await answer("/talk")]).toEqual(["two", "one"]);
    const again = await succeed(project.hostkit("deploy", "page", "--yes"));
    expect(again.stdout).toContain("nothing to change for --only page");
    expect((await project.hostkit("plan")).exitCode).toBe(2);
  });

  test("--build makes it first", async () => {
    const { stdout, stderr } = await succeed(project.hostkit("deploy", "talk", "--build", "--yes"));
    expect(stdout + stderr).toContain("mkdir -p talk/made");
    expect(await answer("/talk")).toBe("two");
  });

  test("another image than the manifest's: the next provision does not undo it without a word", async () => {
    await succeed(project.hostkit("deploy", "page", "--archive", archive, "--yes"));
    expect(await answer()).toBe("archive");
    expect(
      (await project.hostkit("deploy", "page", "--archive", archive, "--yes")).stdout,
    ).toContain("nothing to change");
    for (const words of [["provision"], ["deploy", "page"]]) {
      const refused = await project.hostkit(...words, "--yes");
      expect(refused.exitCode).not.toBe(0);
      expect(refused.stderr).toMatch(/deployed page with --archive .* at .* UTC/);
      expect(refused.stderr).toContain("hostkit rollback page --forget && hostkit provision");
    }
    // What has nothing to do with it goes on.
    await project.write("talk/version", "three");
    await succeed(project.hostkit("deploy", "talk", "--yes"));
    expect([await answer(), await answer("/talk")]).toEqual(["archive", "three"]);
    await succeed(project.hostkit("rollback", "page", "--forget"));
    await succeed(project.hostkit("provision", "--yes"));
    expect(await answer()).toBe("two");
    // Gone back to, it is again what the manifest does not name.
    await succeed(project.hostkit("rollback", "page", "--yes"));
    expect(await answer()).toBe("archive");
    expect((await project.hostkit("provision", "--yes")).exitCode).not.toBe(0);
  });

  test.for([
    [["deploy", "pages"], 64, "it has: page, talk"],
    [["deploy", "page", "--image", "Nginx:1"], 64, "is no name of an image"],
    [["deploy", "page", "--archive", "nowhere.tar"], 65, "nowhere.tar is not there"],
    [["deploy", "page", "--archive", "page"], 65, "not a file"],
    [["deploy", "page", "talk", "--archive", "x.tar"], 65, "x.tar is not there"],
    [["deploy", "page", "--build", "--archive", "x.tar"], 64, "only one of"],
    [["deploy"], 64, "missing required argument"],
  ] as const)("%j → %i", async ([words, code, text]) => {
    const refused = await project.hostkit(...words, "--yes");
    expect(refused.stderr).toContain(text);
    expect(refused.exitCode).toBe(code);
  });
});
