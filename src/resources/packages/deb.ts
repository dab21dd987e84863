import { debFacts } from "../../facts/packages/deb.ts";
import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { describeStatus, isInstalled } from "../../facts/packages/package.ts";
import { stampPath } from "../../facts/files/stamp.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { removeOneScript } from "./package-removal.ts";
import { aptBound, aptPrelude, installScript } from "./apt.ts";
import { adoptProgramScript } from "./packaged-program.ts";
import type { Adopted } from "./packaged-program.ts";
import { idOf, removeByScript } from "../resource.ts";
import type { Blob, Change, Resource, ResourceKind } from "../resource.ts";

/** A local Debian package, installed with apt so that what it depends on comes too. */
export interface DebResource extends Resource {
  readonly kind: "deb";
  readonly deb: Blob;
  readonly stackDirectory: string;
  /** Where the drop-in goes that starts the package's program; see packaged-program. */
  readonly program: string;
  readonly adopts: Adopted;
  readonly environmentFile: string;
}

/** The stamp: `<sha256> <package> <version> <what was adopted>` of the .deb that is installed. */
function stampOf(name: string): string {
  return `deb-${name}`;
}

export const debKind: ResourceKind<DebResource> = {
  kind: "deb",
  group: "packages",
  needs: (resource) => [
    need(debFacts, stampPath(resource.stackDirectory, stampOf(resource.name))),
    need(fileFacts, resource.program),
  ],

  diff(resource, facts, context): Change | undefined {
    const stampFile = stampPath(resource.stackDirectory, stampOf(resource.name));
    const fact = facts.get(debFacts, stampFile);
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("is not installed");
    else {
      if (fact.sha256 !== resource.deb.sha256)
        reasons.push(`another build of ${fact.package} than ${fact.version} is wanted`);
      const installed = { version: fact.installedVersion, status: fact.status };
      if (!isInstalled(installed))
        reasons.push(`${fact.package} is ${describeStatus(installed) ?? "not installed"}`);
      else if (fact.installedVersion !== fact.version)
        reasons.push(`version is ${fact.installedVersion}, should be ${fact.version}`);
      if (fact.adopted !== resource.adopts)
        reasons.push(`${fact.package} is not set up as this service`);
      else if (
        resource.adopts !== "nothing" &&
        facts.get(fileFacts, resource.program) === undefined
      )
        reasons.push(`${resource.program} does not exist`);
    }
    if (reasons.length === 0 && !context.isOwned) reasons.push("is not in hostkit's list");
    if (reasons.length === 0) return undefined;
    return {
      id: idOf(resource),
      action: fact === undefined ? "create" : "update",
      because: reasons.join(", "),
      invalidates: [stampFile],
      steps: [
        { type: "upload", as: "package.deb", content: { blob: resource.deb } },
        {
          type: "script",
          title: `install ${resource.deb.path.slice(resource.deb.path.lastIndexOf("/") + 1)}`,
          bound: aptBound,
          // apt's sandbox user cannot read the run's folder: the .deb goes through one of its own.
          script: joinScripts([
            aptPrelude,
            sh`package=$(dpkg-deb -f package.deb Package)
version=$(dpkg-deb -f package.deb Version)
folder=$(mktemp -d /var/cache/apt/hostkit.XXXXXX)
trap ${'rm -rf "$folder"'} EXIT
chmod 0755 "$folder"
install -m 0644 package.deb "$folder/$package.deb"
asked=$package
apt_install_options=--reinstall
set -- "$folder/$package.deb"`,
            // Named before it is installed, and whether it had been there before hostkit: then it stays for ever.
            sh`foreign=no
if dpkg-query -W -f ${"${db:Status-Abbrev}"} "$package" 2>/dev/null | grep -q ${"^.[^nc]"} && ! grep -qsxF "$package" "$ledger"; then foreign=yes; fi
if [ ! -e ${`${stampFile}.package`} ]; then echo "$package $foreign" >${`${stampFile}.package`}; fi`,
            installScript,
            adoptProgramScript({ ...resource, path: resource.program }),
            sh`printf ${"%s %s %s %s\n"} ${resource.deb.sha256} "$package" "$version" ${resource.adopts} >${`${stampFile}.new`}
mv -f ${`${stampFile}.new`} ${stampFile}`,
          ]),
        },
      ],
    };
  },

  own: (resource) => ({ kind: "deb", name: resource.name, program: resource.program }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["program"]))],

  /** Removed, not purged: what it leaves behind is settled with what the other packages leave. */
  remove(owned, _facts, context): Change {
    const stampFile = stampPath(context.stackDirectory, stampOf(owned.name));
    const program = String(owned["program"]);
    return removeByScript(
      owned,
      `remove the package of ${owned.name}`,
      sh`rm -f ${program}
rmdir -p --ignore-fail-on-non-empty ${program.slice(0, program.lastIndexOf("/"))} 2>/dev/null || true
package=
if [ -s ${`${stampFile}.package`} ]; then read -r package foreign <${`${stampFile}.package`}
elif [ -s ${stampFile} ]; then read -r _ package _ <${stampFile}; foreign=no; fi
if [ -n "$package" ]; then
  ledger=$HOSTKIT_STACK_DIRECTORY/packages
  if [ "$foreign" = yes ]; then
    if [ -e "$ledger" ]; then grep -vxF "$package" "$ledger" >"$ledger.new" || true; mv -f "$ledger.new" "$ledger"; fi
    printf ${"package %s\\t%s\\n"} "$package" "was installed before hostkit came" >>"$HOSTKIT_STACK_DIRECTORY/kept"
  else
    for list in "$ledger" "$ledger.own"; do
      { cat "$list" 2>/dev/null || true; echo "$package"; } | LC_ALL=C sort -u >"$list.new"
      mv -f "$list.new" "$list"
    done
    only=$package
${removeOneScript(context.deleteData)}
  fi
fi
rm -f ${stampFile} ${`${stampFile}.package`}`,
      undefined,
      aptBound,
    );
  },
};
