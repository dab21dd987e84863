import { need } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { joinScripts, rawScript, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";
import { writeStampScript } from "../units/unit.ts";

/**
 * How much of what a package says about its service is taken over into hostkit's own unit.
 * `command`: what to start. `unit`: where the package's unit names a user of its own, also that user, with the unit's folders,
 * files and way of starting; else the command alone. `nothing`: `exec` says what to start.
 */
export type Adopted = "command" | "unit" | "nothing";

/**
 * What a package of the distribution starts: a drop-in at `path` for the service's unit.
 * Units that came with the package do not run beside ours.
 */
export interface PackagedProgramResource extends Resource {
  readonly kind: "packaged-program";
  readonly package: string;
  readonly path: string;
  readonly stackDirectory: string;
  readonly adopts: Adopted;
  /** Of the service's unit; wins over those of the package's unit. */
  readonly environmentFile: string;
}

// systemd.exec(5), systemd.service(5), systemd.kill(5): what a program needs to find, not what confines it.
const adoptedSettings = [
  "Group",
  "SupplementaryGroups",
  "NotifyAccess",
  "PIDFile",
  "(Runtime|State|Cache|Logs|Configuration)Directory(Mode)?",
  "ReadWritePaths",
  "WorkingDirectory",
  "UMask",
  "Environment",
  "EnvironmentFile",
  "LimitNOFILE",
  "ExecStartPre",
  "ExecReload",
  "KillMode",
  "KillSignal",
  "TimeoutStartSec",
];

/**
 * Finds out what the package in `$package` starts and writes it to `path`: the command of its only service unit, else
 * its only program. Stops and disables the package's own services.
 */
export function adoptProgramScript(
  resource: Pick<PackagedProgramResource, "path" | "adopts" | "environmentFile">,
): Script {
  const { path, adopts, environmentFile } = resource;
  const folder = path.slice(0, path.lastIndexOf("/"));
  return joinScripts([
    rawScript(`umask 022
files=$(dpkg-query -L "$package")
services=$(printf '%s\\n' "$files" | grep -E '^(/usr)?/lib/systemd/system/[^/@]+\\.service$' | while read -r f; do [ -f "$f" ] && [ ! -L "$f" ] && echo "$f"; done || true)
for f in $services; do
  u=\${f##*/}
  case $(systemctl is-enabled "$u" 2>/dev/null || true) in
    enabled) echo "$u comes with the package: hostkit runs its own unit instead"; systemctl disable --now -q "$u" ;;
  esac
done`),
    adopts === "nothing"
      ? sh`rm -f ${path}`
      : sh`programs=$(printf ${"%s\\n"} "$files" | grep -E ${"^/usr/(s?bin|games|libexec)/[^/]+$"} || true)
settings=
line=
if [ "$(printf ${"%s\\n"} "$services" | grep -c .)" -eq 1 ]; then
  settings=$(sed -e ${":a"} -e ${"/\\\\$/{"} -e ${"N"} -e ${"s/\\\\\\n[[:space:]]*/ /"} -e ${"ba"} -e ${"}"} "$services" |
    awk ${'/^\\[/ { inside = ($0 == "[Service]"); next } inside && /^[A-Za-z]/'})
  line=$(printf ${"%s\\n"} "$settings" | sed -n ${"s/^ExecStart=[-@:+!|]*//p"} | tail -n 1)
elif [ "$(printf ${"%s\\n"} "$programs" | grep -c .)" -eq 1 ]; then
  line=$programs
elif printf ${"%s\\n"} "$programs" | grep -qx "/usr/bin/$package"; then
  line=/usr/bin/$package
fi
${explainNothing}
mkdir -p ${folder}
{
  printf ${"# What the package %s starts; written by hostkit.\\n[Service]\\nExecStart=%s\\n"} "$package" "$line"
${adopts === "unit" ? adoptUnitScript(environmentFile) : adoptVariablesScript(environmentFile)}
} >${`${path}.new`}
mv -f ${`${path}.new`} ${path}`,
  ]);
}

/**
 * Ends the step where there is nothing to start, or nothing that stays: what there is instead, and what to write.
 * In: `$package`, `$files`, `$services`, `$programs`, `$settings`, `$line`.
 */
const explainNothing = rawScript(`if printf '%s\\n' "$settings" | grep -qx 'Type=oneshot'; then
  echo "the unit of $package runs once and ends: the package starts it by itself (its timers and sockets run on); leave the service out, or set exec" >&2
  exit 1
fi
if [ -z "$line" ]; then
  units=$(printf '%s\\n' "$files" | sed -n 's#^\\(/usr\\)\\{0,1\\}/lib/systemd/system/\\([^/]*\\)$#\\2#p' | tr '\\n' ' ')
  echo "the package $package does not say what to start" >&2
  if [ -n "$programs" ]; then
    echo "set exec to one of its programs: $(printf '%s' "$programs" | tr '\\n' ' ')" >&2
  else
    echo "it has no program of its own (a metapackage, a library, or only files); name the package that has it. It depends on: $(dpkg-query -W -f '\${Depends}' "$package")" >&2
  fi
  [ -z "$units" ] || echo "its units: $units (one service is taken over, templates and timers are not)" >&2
  exit 1
fi`);

/** Whoever runs as a user of hostkit's still needs the variables that the command is written with. */
function adoptVariablesScript(environmentFile: string): Script {
  return sh`  case $line in
    *${"$"}*)
      printf ${"%s\\n"} "$settings" | grep -E ${"^(Environment|EnvironmentFile)="} || true
      echo ${`EnvironmentFile=${environmentFile}`}
      ;;
  esac`;
}

/** Prints the other lines of the drop-in, out of the `[Service]` lines in `$settings`. */
function adoptUnitScript(environmentFile: string): Script {
  return sh`  own=$(printf ${"%s\\n"} "$settings" | sed -n ${"s/^User=//p"} | tail -n 1)
  case $own in
    ${""} | root | 0)
${adoptVariablesScript(environmentFile)}
      ;;
    *)
      printf ${"User=%s\\nRuntimeDirectory=\\nStateDirectory=\\nCacheDirectory=\\n"} "$own"
      printf ${"%s\\n"} "$settings" | grep -E ${`^((${adoptedSettings.join("|")})=|Type=(exec|simple|notify|notify-reload|forking)$)`} || true
      echo ${`EnvironmentFile=${environmentFile}`}
      ;;
  esac`;
}

/** The stamp of an adopted program. */
function stampOf(resource: Pick<PackagedProgramResource, "name">): string {
  return `program-${resource.name}`;
}

function stampText({ package: name, adopts }: PackagedProgramResource): string {
  return `${name} ${adopts}`;
}

export const packagedProgramKind: ResourceKind<PackagedProgramResource> = {
  kind: "packaged-program",
  group: "packages",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, stampPath(resource.stackDirectory, stampOf(resource))),
  ],

  diff(resource, facts): Change | undefined {
    const stamp = readStamp(facts, resource.stackDirectory, stampOf(resource));
    const reasons: string[] = [];
    if (stamp !== stampText(resource))
      reasons.push(`${resource.package} is not set up as this service`);
    if (resource.adopts !== "nothing" && facts.get(fileFacts, resource.path) === undefined)
      reasons.push(`${resource.path} does not exist`);
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: stamp === undefined ? "create" : "update",
      because: reasons.join(", "),
      invalidates: [stampPath(resource.stackDirectory, stampOf(resource))],
      steps: [
        {
          type: "script",
          title: `find out what ${resource.package} starts`,
          script: joinScripts([
            sh`package=${resource.package}`,
            adoptProgramScript(resource),
            writeStampScript(resource.stackDirectory, stampOf(resource), stampText(resource)),
          ]),
        },
      ],
    };
  },

  own: (resource) => ({ kind: "packaged-program", name: resource.name, path: resource.path }),
  removalNeeds: () => [],

  remove(owned, _facts, context): Change {
    const path = String(owned["path"]);
    return removeByScript(
      owned,
      `remove ${path}`,
      sh`rm -f ${path} ${stampPath(context.stackDirectory, stampOf({ name: owned.name }))}
rmdir -p --ignore-fail-on-non-empty ${path.slice(0, path.lastIndexOf("/"))} 2>/dev/null || true`,
    );
  },
};
