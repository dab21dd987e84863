import { need } from "../facts/fact.ts";
import { fileFacts, textFacts } from "../facts/file.ts";
import { readStamp, stampPath } from "../facts/stamp.ts";
import { joinScripts, rawScript, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Change, Resource, ResourceKind } from "./resource.ts";
import { writeStampScript } from "./unit.ts";

/**
 * What a package of the distribution starts: a small script at `path` that runs it, for services without `exec`.
 * Units that came with the package do not run beside ours.
 */
export interface PackagedProgramResource extends Resource {
  readonly kind: "packaged-program";
  readonly package: string;
  readonly path: string;
  readonly stackDirectory: string;
  /** False where `exec` says what to start: then only the package's own units are switched off. */
  readonly wantsProgram: boolean;
}

/**
 * Finds out what the package in `$package` starts and writes it to `path`: the command of its only service unit, else
 * its only program. Stops and disables the package's own services.
 */
export function adoptProgramScript(path: string, wantsProgram: boolean): Script {
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
    wantsProgram
      ? sh`programs=$(printf ${"%s\\n"} "$files" | grep -E ${"^/usr/(s?bin|games|libexec)/[^/]+$"} || true)
line=
if [ "$(printf ${"%s\\n"} "$services" | grep -c .)" -eq 1 ]; then
  line=$(sed -n ${"s/^ExecStart=[-@:+!|]*//p"} "$services" | tail -n 1)
elif [ "$(printf ${"%s\\n"} "$programs" | grep -c .)" -eq 1 ]; then
  line=$programs
elif printf ${"%s\\n"} "$programs" | grep -qx "/usr/bin/$package"; then
  line=/usr/bin/$package
fi
if [ -z "$line" ]; then
  echo "the package $package does not say what to start; set exec to one of these:" >&2
  printf ${"%s\\n"} "$programs" >&2
  exit 1
fi
mkdir -p ${folder}
printf ${"#!/bin/sh\\n# What the package %s starts; written by hostkit.\\nexec %s\\n"} "$package" "$line" >${`${path}.new`}
chmod 0755 ${`${path}.new`}
mv -f ${`${path}.new`} ${path}`
      : sh``,
  ]);
}

/** The stamp of an adopted program. */
function stampOf(resource: Pick<PackagedProgramResource, "name">): string {
  return `program-${resource.name}`;
}

export const packagedProgramKind: ResourceKind<PackagedProgramResource> = {
  kind: "packaged-program",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, stampPath(resource.stackDirectory, stampOf(resource))),
  ],

  diff(resource, facts): Change | undefined {
    const stamp = readStamp(facts, resource.stackDirectory, stampOf(resource));
    const reasons: string[] = [];
    if (stamp !== resource.package) reasons.push(`${resource.package} is not set up as a service`);
    if (resource.wantsProgram && facts.get(fileFacts, resource.path) === undefined)
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
            adoptProgramScript(resource.path, resource.wantsProgram),
            writeStampScript(resource.stackDirectory, stampOf(resource), resource.package),
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
