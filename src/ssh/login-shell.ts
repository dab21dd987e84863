import { HostkitError } from "../errors.ts";
import type { ExecResult } from "./connection.ts";

/**
 * The error for a command line that never came to run: what the login shell, or what stands in its place, said instead.
 * @param place `deploy@dx1.example.org:22`
 */
export function explainLoginShell(
  host: string,
  place: string,
  { code, signal, stdout, stderr }: Pick<ExecResult, "code" | "signal" | "stdout" | "stderr">,
): HostkitError {
  const said = `${stdout}\n${stderr}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const user = place.split("@")[0] ?? "";
  const [why, next] = adviseFor(said.join("\n"), user, place);
  return new HostkitError("host_unreachable", {
    what: `the login shell of ${user} on ${host} does not run what it is sent (it ended with ${code ?? signal ?? "no status"})`,
    where: place,
    why,
    ...(said.length > 0 && { details: said.slice(0, 10).map((line) => line.slice(0, 300)) }),
    next,
  });
}

function adviseFor(said: string, user: string, place: string): [why: string, next: string] {
  const shell = `as root on the host: usermod -s /bin/bash ${user}`;
  if (/account is currently not available|nologin/i.test(said))
    return ["this account has no shell (nologin)", shell];
  if (/sftp connections only|subsystem|sftp/i.test(said))
    return ["this account may only transfer files (internal-sftp)", "log in as another user"];
  if (/restricted/i.test(said)) return ["it is a restricted shell", shell];
  if (said === "")
    return [
      "it ends without a word: a shell that runs nothing, a forced command (command= in authorized_keys, ForceCommand in sshd_config), or internal-sftp",
      `see what comes of it: ssh ${place.replace(/:(\d+)$/, " -p $1")} echo hello`,
    ];
  return [
    "its own words are below: a file that it reads first (.bashrc, .profile, .cshrc) fails, or a forced command stands in its place",
    `see what comes of it: ssh ${place.replace(/:(\d+)$/, " -p $1")} echo hello`,
  ];
}
