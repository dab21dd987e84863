import { HostkitError } from "../errors.ts";
import type { HostAccess, Project } from "./project.ts";

/**
 * The only host that is meant.
 * @param command what was asked for, as it is written
 * @throws HostkitError usage where there are several
 */
export function chooseOneHost({ hosts }: Project, command: string): HostAccess {
  const [host, another] = hosts;
  if (host !== undefined && another === undefined) return host;
  throw new HostkitError("usage", {
    what: "on which host?",
    why: `the manifest has: ${hosts.map(({ name }) => name).join(", ")}`,
    next: `${command} --host ${host?.name ?? "NAME"}`,
  });
}
