import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offerNodeImage } from "../../src/lab/image-offer.ts";
import { makeProject } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

/** Must be nowhere but in the build. */
const decoy = "decoy-6b1f0c93d7a2";

const manifest = `stack: made
hosts: {}
images:
  acme/base:1: { build: base }
services:
  one:
    build: { context: src, dockerfile: one.Dockerfile, secrets: [TOKEN] }
    command: [node, /app/main.js]
    watch: none
    resources: { memory: 128M }
  two:
    build: { context: src, target: two }
    watch: none
    resources: { memory: 128M }
`;

/** All that the classic builder refused, or did nothing with. */
const one = `# syntax=docker/dockerfile:1
# escape=\\
ARG BASE=hostkit-lab/node:20
FROM --platform=$BUILDPLATFORM $BASE AS build
ARG TARGETARCH
RUN <<END
set -eu
echo "for $TARGETARCH" >/made
END
RUN --mount=type=secret,id=TOKEN,required=true \\
    --mount=type=cache,target=/cache \\
    --mount=type=tmpfs,target=/scratch \\
    --mount=type=bind,source=one,target=/src \\
    test "$(wc -c </run/secrets/TOKEN)" -eq ${decoy.length} && cp /src/main.js /cache/ && ls /cache >/cached
FROM $BASE
COPY --link --from=build /made /cached /app/
COPY --chmod=755 <<END /app/note.txt
written in place
END
COPY --link one /app
`;

const two = `FROM acme/base:1 AS two
COPY two/main.js /app/main.js
CMD ["node", "/app/main.js"]
FROM two AS unused
RUN false
`;

const base = (says: string): string =>
  `FROM hostkit-lab/node:20\nRUN echo ${says} >/base\nONBUILD RUN echo seen >>/base\n`;

const program = (says: string): string =>
  `console.log(${JSON.stringify(says)});setInterval(() => {}, 1000);\n`;

/** Takes longer than a short run of all tests has. */
const isLong = process.env["HOSTKIT_LONG"] === "1";

let project: LabProject;
beforeAll(async () => {
  process.env["TOKEN"] = decoy;
  project = await makeProject("builds", "debian-13", manifest, ["docker.io", "docker-cli"]);
  await offerNodeImage(project.host);
  for (const name of ["src/one", "src/two", "base"])
    await mkdir(path.join(project.folder, name), { recursive: true });
  await project.write("base/Dockerfile", base("1"));
  await project.write("src/one.Dockerfile", one);
  await project.write("src/Dockerfile", two);
  await project.write("src/one/main.js", program("one 1"));
  await project.write("src/two/main.js", program("two 1"));
});
afterAll(() => project.down());

const inside = (service: string, command: string): Promise<string> =>
  project.onHost(
    `docker exec made-${service}-a ${command} || docker exec made-${service}-b ${command}`,
  );

describe("what BuildKit builds", () => {
  test("mounts, here-documents, links, a syntax line without a registry, a secret", async () => {
    const check = await project.hostkit("check");
    expect(check.exitCode, check.stderr).toBe(0);
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode, result.stderr + result.stdout).toBe(0);
    expect(await inside("one", "cat /app/made /app/cached /app/note.txt")).toBe(
      "for amd64\nmain.js\nwritten in place",
    );
    expect(await inside("two", "cat /base")).toBe("1\nseen");
  });

  test("the secret is nowhere afterwards, and the builder has left nothing in root's home", async () => {
    const found = await project.tryOnHost(
      `grep -rlF ${decoy} /etc /root /run /tmp /var/lib/hostkit /var/lib/docker /var/log 2>/dev/null; docker history --no-trunc "$(docker ps --filter name=made-one --format '{{.Image}}')" | grep ${decoy}; ls -A /root/.docker 2>/dev/null`,
    );
    expect(found.stdout).toBe("");
    expect(
      await project.onHost("find /var/lib/hostkit/made/runs -name hidden -o -name context"),
    ).toBe("");
  });

  test("another value of the secret builds nothing, another file only what is made from it", async () => {
    process.env["TOKEN"] = `${decoy.slice(0, -1)}0`;
    const same = await project.hostkit("plan");
    expect(same.exitCode, same.stdout).toBe(0);
    process.env["TOKEN"] = decoy;
    await project.write("src/two/main.js", program("two 2"));
    const { hosts } = JSON.parse((await project.hostkit("plan", "--json")).stdout) as {
      hosts: { changes: { id: string }[] }[];
    };
    expect(hosts[0]?.changes.map(({ id }) => id).sort()).toEqual(["image:made-two", "release:two"]);
  });
});

test.runIf(isLong)(
  "a changed base image builds what stands on it; one that nothing needs goes",
  async () => {
    await project.write("base/Dockerfile", base("2"));
    const changed = await project.hostkit("provision", "--yes");
    expect(changed.exitCode, changed.stderr).toBe(0);
    expect(await inside("two", "cat /base")).toBe("2\nseen");
    expect(
      (await project.onHost("docker image ls -q 'hostkit/made/*/*'")).split("\n"),
    ).toHaveLength(1);
    await project.write("src/Dockerfile", two.replace("acme/base:1", "hostkit-lab/node:20"));
    const without = await project.hostkit("provision", "--yes");
    expect(without.exitCode, without.stderr).toBe(0);
    expect(await project.onHost("docker image ls -q 'hostkit/made/*/*'")).toBe("");
  },
);

describe("what does not build", () => {
  test("is said before anything is touched where the builder cannot do it", async () => {
    await project.write("src/Dockerfile", two.replace("COPY two", "COPY --parents two"));
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode).toBe(71);
    expect(result.stderr).toContain("cannot do COPY --parents (src/Dockerfile:2)");
    expect(result.stderr).toContain("# syntax=docker/dockerfile:1.20");
  });

  test("says the line and the first cause, and what served serves on", async () => {
    await project.write(
      "src/Dockerfile",
      two.replace("CMD", "RUN echo before\nRUN node -e 'throw new Error(\"no such port\")'\nCMD"),
    );
    const before = await project.onHost("docker ps --format '{{.ID}}' | sort");
    const result = await project.hostkit("provision", "--yes");
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toContain("src/Dockerfile:4");
    expect(result.stderr).toContain("no such port");
    expect(await project.onHost("docker ps --format '{{.ID}}' | sort")).toBe(before);
  });
});

test.runIf(isLong)("uninstall takes images and the builder's plugin away", async () => {
  const result = await project.hostkit("uninstall", "--yes");
  expect(result.exitCode, result.stderr).toBe(0);
  expect((await project.tryOnHost("docker image ls -q 'hostkit/*'")).stdout).toBe("");
});
