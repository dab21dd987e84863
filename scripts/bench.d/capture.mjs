// What hostkit sends to a host for one verb, taken down by sshd itself: a key whose forced command keeps every exec.
import { mkdir, readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";

const recorder = `#!/bin/sh
set -eu
d=$(mktemp -d /run/bench-capture/$(date +%s%N).XXXXXX)
printf %s "$SSH_ORIGINAL_COMMAND" >"$d/command"
tee "$d/stdin" | /bin/sh -c "$SSH_ORIGINAL_COMMAND"
`;

/**
 * Runs `work(key)` once with a key that records.
 * @returns one { command, stdin } for each exec, in order
 */
export async function captureExecs({ hosts, host, folder, work }) {
  const key = path.join(folder, "capture-key");
  await mkdir(folder, { recursive: true });
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const line = `command="/run/bench-recorder" ${(await readFile(`${key}.pub`, "utf8")).trim()}`;
  await hosts.shell(
    host,
    `set -e; mkdir -p /run/bench-capture; cat >/run/bench-recorder; chmod 755 /run/bench-recorder; echo '${line}' >>/root/.ssh/authorized_keys`,
    { input: recorder },
  );
  await work(key);
  const taken = path.join(folder, "captured");
  await mkdir(taken);
  const { stdout } = await execa("base64", ["-d"], {
    encoding: "buffer",
    input: await hosts.shell(
      host,
      "tar -C /run/bench-capture -cf - . | base64; rm -rf /run/bench-capture",
    ),
  });
  await execa("tar", ["-C", taken, "-xf", "-"], { input: stdout });
  await hosts.shell(host, "sed -i '/bench-recorder/d' /root/.ssh/authorized_keys");
  const names = (await readdir(taken)).sort();
  return Promise.all(
    names.map(async (name) => ({
      command: await readFile(path.join(taken, name, "command"), "utf8"),
      stdin: await readFile(path.join(taken, name, "stdin"), "utf8"),
    })),
  );
}
