// docker create --mount, as docker inspect tells what was understood.
import { makeImage } from "./docker-environment.mjs";
import { chunks, compare, fileName, sample, write, writer } from "./values.mjs";

export const packages = ["docker.io", "docker-cli", "busybox-static"];
export const needsHost = true;
export const most = 10_000;

export async function run({ count, seed, host }) {
  const { writeDockerMount } = await writer("docker-mount");
  const names = sample(fileName(), count * 2, seed).map((name) => name.replaceAll(":", ""));
  const mounts = chunks(names, 2).map(([from, to], at) => ({
    type: "bind",
    source: `/tmp/w/m/${from}/x${at}`,
    target: `/m/x${at}/${to}`,
    options: at % 3 === 0 ? ["readonly"] : [],
  }));
  // Half of them end in what is awkward.
  for (const mount of mounts.filter((_, at) => at % 2 === 0))
    mount.source = mount.source.replace(/\/x\d+$/, "");
  const all = write(mounts, writeDockerMount);
  const failures = [];
  await makeImage(host);
  for (const batch of chunks(all.taken, 100)) {
    const out = await host.run(
      `cat >/tmp/w/list; rm -rf /tmp/w/m; mkdir -p /tmp/w/m
while IFS= read -r -d '' path && IFS= read -r -d '' mount; do mkdir -p -- "$path"; printf '%s\\0' --mount "$mount"; done </tmp/w/list >/tmp/w/words
id=$(xargs -0 sh -c 'docker create "$@" words:1 /bin/busybox' sh </tmp/w/words)
docker inspect --format '{{json .HostConfig.Mounts}}' "$id"; docker rm "$id" >/dev/null`,
      batch.map(({ value, written }) => `${value.source}\0${written}\0`).join(""),
    );
    const label = ({ source, target, options }) => JSON.stringify([source, target, options.length]);
    const got = JSON.parse(out.toString()).map((one) =>
      label({ source: one.Source, target: one.Target, options: one.ReadOnly ? ["readonly"] : [] }),
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => label(value)),
        got,
        String,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
