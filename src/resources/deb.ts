import { debFacts } from "../facts/deb.ts";
import { need } from "../facts/fact.ts";
import { fileFacts } from "../facts/file.ts";
import { stampPath } from "../facts/stamp.ts";
import { joinScripts, sh } from "../shell/script.ts";
import { aptPrelude } from "./packages.ts";
import { adoptProgramScript } from "./packaged-program.ts";
import type { Adopted } from "./packaged-program.ts";
import { idOf, removeByScript } from "./resource.ts";
import type { Blob, Change, Resource, ResourceKind } from "./resource.ts";

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
  needs: (resource) => [
    need(debFacts, stampPath(resource.stackDirectory, stampOf(resource.name))),
    need(fileFacts, resource.program),
  ],

  diff(resource, facts): Change | undefined {
    const stampFile = stampPath(resource.stackDirectory, stampOf(resource.name));
    const fact = facts.get(debFacts, stampFile);
    const reasons: string[] = [];
    if (fact === undefined) reasons.push("is not installed");
    else {
      if (fact.sha256 !== resource.deb.sha256)
        reasons.push(`another build of ${fact.package} than ${fact.version} is wanted`);
      if (fact.status !== "ii") reasons.push(`${fact.package} is not installed`);
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
    if (reasons.length === 0) return undefined;
    const ledger = `${resource.stackDirectory}/packages`;
    const listInstalled = sh`dpkg-query -W -f ${"${Package} ${db:Status-Abbrev}\\n"} | awk ${'$2=="ii" {print $1}'} | sort -u`;
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
          bound: { seconds: 7200, waitsFor: "apt and the package sources of the host" },
          // apt's sandbox user cannot read the run's folder: the .deb goes through one of its own.
          script: joinScripts([
            aptPrelude,
            sh`umask 022
package=$(dpkg-deb -f package.deb Package)
version=$(dpkg-deb -f package.deb Version)
folder=$(mktemp -d /var/cache/apt/hostkit.XXXXXX)
trap ${'rm -rf "$folder"'} EXIT
chmod 0755 "$folder"
install -m 0644 package.deb "$folder/$package.deb"
${listInstalled} >before
apt_get install --no-remove --allow-downgrades --reinstall "$folder/$package.deb"
${listInstalled} >installed
comm -13 before installed | grep -vxF "$package" >>${ledger} || true
sort -u -o ${ledger} ${ledger}`,
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

  remove(owned, _facts, context): Change {
    const stampFile = stampPath(context.stackDirectory, stampOf(owned.name));
    const program = String(owned["program"]);
    return removeByScript(
      owned,
      `purge the package of ${owned.name}`,
      joinScripts([
        sh`rm -f ${program}
rmdir -p --ignore-fail-on-non-empty ${program.slice(0, program.lastIndexOf("/"))} 2>/dev/null || true
[ -s ${stampFile} ] || exit 0`,
        aptPrelude,
        sh`read -r _ package _ <${stampFile}
if dpkg-query -W "$package" >/dev/null 2>&1; then apt_get purge "$package"; fi
rm -f ${stampFile}`,
      ]),
    );
  },
};
