import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { handOver } from "../claims.ts";
import {
  caddyAdminFolder,
  caddyFolderOf,
  caddyfilePath,
  handoverFolder,
  sitesPath,
} from "./caddy-places.ts";
import type { CaddyFile } from "./caddy-places.ts";
import { preimagePath, restoreScript } from "../files/preimage.ts";

/** Where a file stands in the copy of /etc/caddy in the working folder; undefined: not part of it. */
function stagedPath(path: string): string | undefined {
  return path.startsWith("/etc/caddy/") ? `stage/${path.slice("/etc/caddy/".length)}` : undefined;
}

/**
 * `validate`: as Caddy's own user, who has to be able to read keys, with its data folder, where its internal CA lives, and with the
 * staged tree in the place of /etc/caddy, so that every path means what it will mean. Where the host does not let us do that, paths
 * in the copy are changed instead.
 */
const validateFunctions = rawScript(`take_environment() {
  pid=$(systemctl show -p MainPID --value caddy.service 2>/dev/null)
  [ "\${pid:-0}" -gt 0 ] && [ -r "/proc/$pid/environ" ] || return 0
  while IFS= read -r line; do
    case $line in [A-Za-z_]*=*) ;; *) continue ;; esac
    case \${line%%=*} in *[!A-Za-z0-9_]* | PATH | HOME | NOTIFY_SOCKET | LC_ALL) ;; *) export "$line" ;; esac
  done <<END
$(tr '\\0' '\\n' <"/proc/$pid/environ")
END
}
ask_caddy='cd / && exec setpriv --reuid caddy --regid caddy --init-groups env HOME=/var/lib/caddy caddy validate --adapter caddyfile --config "$1"'
validate() {
  stage=$PWD/stage
  if unshare --mount true 2>/dev/null; then
    ( take_environment
      unshare --mount sh -c 'mount --bind "$2" /etc/caddy && '"$ask_caddy" sh /etc/caddy/Caddyfile "$stage" )
  else
    copy=/etc/caddy/.hostkit-check
    rm -rf "$copy" && cp -a stage "$copy"
    find "$copy" -type f \\( -name Caddyfile -o -name '*.caddy' \\) -exec sed -i "s,/etc/caddy/,$copy/,g" {} +
    code=0
    ( take_environment; sh -c "$ask_caddy" sh "$copy/Caddyfile" ) || code=$?
    rm -rf "$copy"
    return "$code"
  fi
}`);

/** What Caddy said, without what is only told. */
const showRefusal = sh`grep -v ${'"level":"info"'} caddy.log | tail -n 20 >&2`;

/** A copy of what Caddy reads, with this stack's part taken out. */
function copyScript(stack: string): Script {
  return sh`umask 022
rm -rf stage former
mkdir stage
if [ -d /etc/caddy ]; then cp -a /etc/caddy/. stage/; fi
rm -rf ${`stage/hostkit/${stack}`} ${`stage/hostkit/sites/${stack}.caddy`}
[ -d /var/lib/caddy ] || hk_folder /var/lib/caddy 0755 caddy caddy
chown -h caddy:caddy /var/lib/caddy`;
}

/** Everything Caddy would read, as it would stand, checked before any of it stands there. */
export function checkScript(
  stack: string,
  files: readonly CaddyFile[],
  isForeign: boolean,
): Script {
  return joinScripts([
    copyScript(stack),
    ...files.map(({ path, mode, owner, group }, index) => {
      const staged = stagedPath(path);
      return staged === undefined
        ? sh``
        : sh`install -D -m ${mode} -o ${owner} -g ${group} ${`files/caddy-${index}`} ${staged}`;
    }),
    validateFunctions,
    sh`if ! validate >caddy.log 2>&1; then
  echo ${
    isForeign
      ? "Caddy refuses the sites beside the host's own Caddyfile; nothing was put in place:"
      : "Caddy refuses the configuration; nothing of it was put in place:"
  } >&2
  ${showRefusal}
  exit 1
fi`,
  ]);
}

/** What Caddy listens on, and what it does about a failed change: everything back, and a look whether it serves. */
const restoreFunctions =
  rawScript(`listening() { ss -Hltnp | awk '/"caddy"/ {print $4}' | sort -u | tr '\\n' ' '; }
look() {
  i=0
  while [ "$i" -lt 50 ]; do
    if [ "$(systemctl is-active caddy.service)" = active ] && [ "$(listening)" = "$listened" ]; then
      echo "looked: caddy.service is active and listens where it did: $listened" >&2
      return 0
    fi
    sleep 0.2; i=$((i + 1))
  done
  echo "looked: caddy.service is $(systemctl is-active caddy.service) and listens on: $(listening)(before: $listened)" >&2
  return 1
}`);

/**
 * Puts the files in place, what is named by another before it, and lets Caddy read them. When it does not, all of them are as they
 * were, and what is said about Caddy was looked at.
 */
export function placeScript(
  stack: string,
  files: readonly CaddyFile[],
  options: {
    readonly isForeign: boolean;
    readonly needsRestart: boolean;
    /** Of the main Caddyfile, for when hostkit goes. */
    readonly keep: Script;
  },
): Script {
  const folder = caddyFolderOf(stack);
  return joinScripts([
    sh`umask 022`,
    restoreFunctions,
    sh`listened=$(listening)
was=$(systemctl is-active caddy.service || true)
rm -rf former
mkdir former`,
    options.keep,
    ...files.map(({ path }, index) => sh`hk_keep ${path} "$PWD"/${`former/${index}`}`),
    sh`put_back() {
${joinScripts(files.map(({ path }, index) => sh`  hk_put_back "$PWD"/${`former/${index}`} ${path}`))}
}`,
    ...files.map(({ path, mode, owner, group }, index) => {
      const source = `files/caddy-${index}`;
      return options.isForeign && path === caddyfilePath
        ? sh`hk_rewrite ${source} ${path}`
        : sh`hk_put ${source} ${path} ${mode} ${owner} ${group}`;
    }),
    loadScript(options.needsRestart),
    // What no site names any more: only now, because until here Caddy could still be asked for it.
    sh`if [ -d ${folder} ]; then
  find ${folder} -mindepth 1 ${files
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .flatMap(({ path }) => ["!", "-path", path])} -delete
  rmdir ${folder} 2>/dev/null || true
fi`,
  ]);
}

function loadScript(needsRestart: boolean): Script {
  const verb = needsRestart
    ? sh`verb=restart`
    : sh`if [ "$was" = active ]; then verb=reload; else verb=restart; fi
# A Caddy that runs with hostkit's own Caddyfile has its socket there; one that somebody wrote says itself where.
if [ "$verb" = reload ] && grep -q ${`^# Written by hostkit`} ${caddyfilePath} && [ -z "$(find ${caddyAdminFolder} -name '*.sock' 2>/dev/null)" ]; then verb=restart; fi`;
  return sh`systemctl daemon-reload
${verb}
began=$(date +%s)
if ! systemctl "$verb" caddy.service; then
  echo "Caddy did not take the new configuration. Its last lines:" >&2
  # Without what is only told, requests above all.
  journalctl -u caddy.service --since "@$began" --no-pager -o cat | grep -v ${'"level":"info"'} | tail -n 20 >&2 || true
  put_back
  systemctl daemon-reload
  echo "all files are as they were" >&2
  if [ "$was" = active ] && [ "$verb" = restart ]; then systemctl restart caddy.service || true; fi
  [ "$was" != active ] || look || true
  exit 1
fi`;
}

/** Takes a stack's part away; the rest is checked first, so that nobody else's sites go with it. */
export function removeScript(options: {
  readonly stack: string;
  readonly stackDirectory: string;
  readonly stamps: readonly string[];
  /** Last one on the host: what becomes of the main Caddyfile. */
  readonly main?: "restore" | { readonly text: string };
  /** Another stack that goes on using Caddy. */
  readonly heir?: string;
  /** What goes with the unit's settings. */
  readonly unitFiles: readonly string[];
}): Script {
  const { stack, stackDirectory, stamps, main, heir, unitFiles } = options;
  const forget = sh`rm -rf ${[caddyFolderOf(stack), sitesPath(stack), ...stamps]}
rmdir --ignore-fail-on-non-empty /etc/caddy/hostkit/sites /etc/caddy/hostkit 2>/dev/null || true`;
  if (heir !== undefined)
    return joinScripts([
      copyScript(stack),
      validateFunctions,
      sh`if command -v caddy >/dev/null && ! validate >caddy.log 2>&1; then
  echo "Caddy refuses what the other stacks have without this one; nothing was taken away:" >&2
  ${showRefusal}
  exit 1
fi`,
      handOver(preimagePath(caddyfilePath, stackDirectory), heir),
      sh`rm -f ${sitesPath(stack)}
if systemctl is-active -q caddy.service; then systemctl reload caddy.service; fi`,
      forget,
    ]);
  const restart = sh`systemctl daemon-reload
if [ -e ${caddyfilePath} ]; then systemctl restart caddy.service || true; else systemctl stop caddy.service || true; fi`;
  if (main !== undefined && main !== "restore")
    return joinScripts([
      sh`printf %s ${main.text} >Caddyfile
hk_rewrite Caddyfile ${caddyfilePath}
rm -f ${preimagePath(caddyfilePath, stackDirectory)}
if systemctl is-active -q caddy.service; then systemctl reload caddy.service || systemctl restart caddy.service || true; fi`,
      forget,
    ]);
  return joinScripts([
    restoreScript(caddyfilePath, { stackDirectory }),
    sh`rm -f ${unitFiles}
rmdir /etc/systemd/system/caddy.service.d /usr/local/lib/hostkit 2>/dev/null || true`,
    forget,
    restart,
    sh`rm -rf ${handoverFolder}`,
  ]);
}
