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

/** Where Caddy takes orders: only its own user and root can reach it. */
export const caddyAdminSocket = "/run/caddy/admin.sock";

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
