// docker run --env-file and --env: a process in a container prints its environment.
import { chunks, compareEnvironment, sample, text, write, writer } from "./values.mjs";

export const packages = ["docker.io", "docker-cli", "busybox-static"];
export const needsHost = true;
export const most = 100_000;

export async function run({ count, seed, host }) {
  const { refuseDockerVariable, writeDockerEnvironment } = await writer("environment");
  const all = write(sample(text(), count, seed), (value) => refuseDockerVariable("V", value));
  const failures = [];
  await makeImage(host);
  for (const batch of chunks(all.taken, 2000)) {
    const { file, exports, exported } = writeDockerEnvironment(
      Object.fromEntries(batch.map(({ value }, at) => [`V${at}`, value])),
    );
    await host.run("cat >/tmp/w/env", file);
    await host.run("cat >/tmp/w/exports", exports);
    await host.run("cat >/tmp/w/names", exported.map((name) => `--env ${name}\n`).join(""));
    const out = await host.run(
      "sh -c '. /tmp/w/exports; exec docker run --rm --env-file /tmp/w/env $(cat /tmp/w/names) words:1 /bin/busybox cat /proc/self/environ'",
    );
    failures.push(...compareEnvironment(batch, out, /^(?:PATH|HOSTNAME|HOME)$/));
  }
  return { tried: count, refused: all.refused, failures };
}

export async function makeImage(host) {
  await host.run(`mkdir -p /tmp/w/image/bin; cp /bin/busybox /tmp/w/image/bin/
docker image inspect words:1 >/dev/null 2>&1 || tar -C /tmp/w/image -c . | docker import - words:1 >/dev/null`);
}
