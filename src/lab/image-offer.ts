import { writeFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { HostkitError } from "../errors.ts";
import type { LabHost } from "./lab-host.ts";
import { sshArguments } from "./login.ts";
import { ensureNodeImage, nodeImageTag } from "./node-image.ts";
import { exists } from "./tools.ts";

const archive = "/var/cache/hostkit-lab-node.tar.gz";

/** Docker loads the archive whenever it starts without the image: a stand-in for the registry that a lab host lacks. */
const dropIn = `[Service]
ExecStartPost=/bin/sh -c 'docker image inspect ${nodeImageTag} >/dev/null 2>&1 || docker load --quiet --input ${archive}'
`;

/** True where a build asks for the lab's image by name, so that it must be there. */
export function wantsNodeImage(buildArguments: Iterable<string>): boolean {
  return [...buildArguments].includes(nodeImageTag);
}

/** Where it stands that a host has been offered the image: asking the host would cost every command a login. */
const markerOf = (host: LabHost): string => path.join(host.folder, "node-image-offered");

export function knowsNodeImage(host: LabHost): Promise<boolean> {
  return exists(markerOf(host));
}

/**
 * Makes the image `hostkit-lab/node:20` known to a host on which Docker may not even be installed yet.
 * Idempotent; the host keeps the archive until it is taken down.
 * @param packages further Debian packages in it, for programs that a test wants in containers
 */
export async function offerNodeImage(
  host: LabHost,
  log: (line: string) => void = () => {},
  packages: readonly string[] = [],
): Promise<void> {
  const image = await ensureNodeImage({ log, packages });
  const result = await execa(
    "ssh",
    [
      ...sshArguments(host),
      `set -e
if [ -e ${archive} ]; then exit 0; fi
cat >${archive}.new
mkdir -p /etc/systemd/system/docker.service.d
cat >/etc/systemd/system/docker.service.d/hostkit-lab.conf <<'EOF'
${dropIn}EOF
mv ${archive}.new ${archive}
systemctl daemon-reload
if systemctl is-active -q docker; then docker load --quiet --input ${archive}; fi`,
    ],
    { reject: false, inputFile: image.file },
  );
  if (result.exitCode === 0) {
    await writeFile(markerOf(host), "");
    return;
  }
  throw new HostkitError("lab_unavailable", {
    what: `lab host ${host.name} did not take the container image`,
    details: (result.stderr ?? "").split("\n").slice(-5),
    next: `hostkit lab down ${host.name}, then try again`,
  });
}
