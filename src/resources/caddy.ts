import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { hashText } from "../facts/hash.ts";
import { readStamp, stampPath } from "../facts/stamp.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { diffLines } from "./difference.ts";
import { findDifferences, putStep } from "./file.ts";
import { restoreScript } from "./preimage.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Resource, ResourceId, ResourceKind } from "./resource.ts";
import { writeStampScript } from "./unit.ts";

const path = "/etc/caddy/Caddyfile";

/** Where Caddy takes orders: only its own user and root can reach it. */
export const caddyAdminSocket = "/run/caddy/admin.sock";

const stampName = "caddy";

/** Caddy's configuration, checked before it is put in place and read by the running Caddy. */
export interface CaddyResource extends Resource {
  readonly kind: "caddy";
  readonly text: string;
  readonly stackDirectory: string;
  /** A change of one of these has to be read again (certificates). */
  readonly reloadOn: readonly ResourceId[];
  /** A change of one of these needs a restart (the unit's drop-in). */
  readonly restartOn: readonly ResourceId[];
}

/** Builds the one Caddy resource. */
export function caddy(
  text: string,
  stackDirectory: string,
  options: {
    reloadOn: readonly ResourceId[];
    restartOn: readonly ResourceId[];
    after: readonly ResourceId[];
  },
): CaddyResource {
  const { reloadOn, restartOn, after } = options;
  return {
    kind: "caddy",
    name: path,
    text,
    stackDirectory,
    reloadOn,
    restartOn,
    after: [...new Set([...after, ...reloadOn, ...restartOn])],
  };
}

export const caddyKind: ResourceKind<CaddyResource> = {
  kind: "caddy",
  needs: (resource) => [
    need(fileFacts, path),
    need(textFacts, path, resource.text),
    need(textFacts, stampPath(resource.stackDirectory, stampName)),
  ],

  diff(resource, facts, context): Change | undefined {
    const file = {
      path,
      content: { text: resource.text },
      mode: "0644",
      owner: "root",
      group: "root",
    };
    const differences = findDifferences(file, facts);
    const reread = resource.reloadOn.filter((id) => context.changed.has(id));
    const restarted = resource.restartOn.filter((id) => context.changed.has(id));
    // What it was that had to be read anew is not known any more.
    const isRestart = restarted.length > 0 || context.isUnfinished;
    const stamp = readStamp(facts, resource.stackDirectory, stampName);
    const reasons = [
      ...(differences ?? []),
      ...[...reread, ...restarted].map((id) => `${id} changed`),
    ];
    if (reasons.length === 0 && (context.isUnfinished || stamp !== hashText(resource.text)))
      reasons.push("Caddy has not read it yet");
    if (reasons.length === 0) return undefined;
    const before = facts.get(textFacts, path);
    const difference = diffLines(before ?? "", resource.text);
    return {
      id: idOf(resource),
      action: before === undefined ? "create" : isRestart ? "restart" : "update",
      because: reasons.join(", "),
      ...(difference.length === 0 ? {} : { difference }),
      invalidates: [stampPath(resource.stackDirectory, stampName)],
      steps: [
        { type: "upload", as: "Caddyfile", content: { text: resource.text } },
        { type: "script", title: "check the configuration of Caddy", script: checkScript },
        putStep(file, context),
        {
          type: "script",
          title: isRestart ? "restart Caddy" : "reload Caddy",
          script: joinScripts([
            loadScript(isRestart),
            writeStampScript(resource.stackDirectory, stampName, hashText(resource.text)),
          ]),
        },
      ],
    };
  },

  own: () => ({ kind: "caddy", name: path }),
  removalNeeds: () => [need(fileFacts, path)],

  remove(owned, facts, context): Change | undefined {
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    return removeByScript(
      owned,
      `restore ${path}`,
      sh`${restoreScript(path, context)}
rm -f ${stampPath(context.stackDirectory, stampName)}
if [ -e ${path} ]; then systemctl restart caddy.service || true; else systemctl stop caddy.service || true; fi`,
    );
  },
};

/** As Caddy's own user, who has to be able to read keys, and with its data folder, where its internal CA lives. */
const checkScript: Script = sh`rm -f former; hk_keep ${path} "$PWD/former"
hk_put Caddyfile ${`${path}.hostkit-check`} 0644 root root
trap ${`hk_remove ${path}.hostkit-check`} EXIT
[ -d /var/lib/caddy ] || hk_folder /var/lib/caddy 0755 caddy caddy
chown -h caddy:caddy /var/lib/caddy
if ! (cd / && setpriv --reuid caddy --regid caddy --init-groups env HOME=/var/lib/caddy \\
  caddy validate --adapter caddyfile --config ${`${path}.hostkit-check`}) >caddy.log 2>&1; then
  echo "Caddy refuses the configuration; the one before stays:" >&2
  grep -v ${'"level":"info"'} caddy.log | tail -n 20 >&2
  exit 1
fi`;

function loadScript(needsRestart: boolean): Script {
  const verb = needsRestart
    ? sh`verb=restart`
    : sh`if systemctl is-active -q caddy.service && [ -S ${caddyAdminSocket} ]; then verb=reload; else verb=restart; fi`;
  return sh`systemctl daemon-reload
${verb}
began=$(date +%s)
if ! systemctl "$verb" caddy.service; then
  echo "Caddy did not take the new configuration; the one before is put back. Its last lines:" >&2
  journalctl -u caddy.service --since "@$began" -n 20 --no-pager -o cat >&2 || true
  if [ -e former ]; then
    hk_put_back "$PWD/former" ${path}
    [ "$verb" = reload ] || systemctl restart caddy.service || true
  fi
  exit 1
fi`;
}
