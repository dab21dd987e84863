import { idsOf } from "../resource.ts";
import type { Content } from "../resource.ts";

/** What a plan says of a reload: Caddy 2.6 closes what it has taken out of HTTP's hands (reverseproxy/streaming.go, Cleanup). */
export const reloadNote =
  "reloads Caddy, which closes the open WebSockets of all its sites; requests go on";
/** What it says where the unit itself has to start anew. */
export const restartNote = "restarts Caddy, which ends the open connections of all its sites";

/** The file Caddy begins with: hostkit's own, or one that somebody wrote, with a block of ours at its end. */
export const caddyfilePath = "/etc/caddy/Caddyfile";

/** The one resource that stands for all that a stack gives to Caddy. */
export const caddyId = idsOf("caddy")(caddyfilePath);

/** Where each Caddy takes orders, a socket each: only its own user and root can reach them. */
export const caddyAdminFolder = "/run/caddy";

/** Lets a second Caddy take over: what the unit's ExecReload= calls. */
export const handoverPath = "/usr/local/lib/hostkit/caddy-handover";

/** What the Caddy for HTTP/3 begins with. */
export const http3ConfigPath = "/etc/caddy/hostkit/http3.caddyfile";

/** What of a handover is there as long as the host runs: whether it can be done, and which Caddys are leaving. */
export const handoverFolder = "/run/hostkit-caddy";

/** Every stack's sites, a file each. */
const sitesFolder = "/etc/caddy/hostkit/sites";

/** Every stack's sites, for `import`. */
export const sitesPattern = `${sitesFolder}/*.caddy`;

/** Sites of one stack as Caddy reads them. */
export function sitesPath(stack: string): string {
  return `${sitesFolder}/${stack}.caddy`;
}

/** Certificates, keys and roots of one stack. */
export function caddyFolderOf(stack: string): string {
  return `/etc/caddy/hostkit/${stack}`;
}

/** A file that Caddy reads. */
export interface CaddyFile {
  readonly path: string;
  readonly content: Content;
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}
