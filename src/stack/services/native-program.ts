import type { DebResource } from "../../resources/packages/deb.ts";
import type { PackagedProgramResource } from "../../resources/packages/packaged-program.ts";
import { download } from "../../resources/files/download.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { packagesId } from "../inputs.ts";
import { serviceUnitOf, stackDirectoryOf } from "../names.ts";
import { environmentFileOf, programDirectoryOf } from "./service-places.ts";
import type { ProgramOrigin, Workload } from "./workload.ts";

/** Where a native program comes from, and what starts it. */
export interface Program {
  /** Nothing where a package says it, in a drop-in. */
  readonly words?: readonly string[];
  /** For whoever finds that it does not run. */
  readonly hint?: string;
  /** Changes with the program itself, so that it is restarted. */
  readonly version: string;
  readonly packages: readonly string[];
  readonly pins?: Readonly<Record<string, string>>;
  readonly resources: readonly Resource[];
}

type SourceOf<Kind extends ProgramOrigin["source"]["kind"]> = Extract<
  ProgramOrigin["source"],
  { kind: Kind }
>;

const after: readonly ResourceId[] = [packagesId];

/** Where the program comes from, and the words that start it. */
export function resolveProgram(workload: Workload, { source }: ProgramOrigin): Program {
  switch (source.kind) {
    case "package":
      return resolvePackage(workload, source);
    case "apt":
      return resolveApt(workload, source);
    case "download":
      return resolveDownload(workload, source);
    default:
      return { words: workload.command ?? [], version: "", packages: [], resources: [] };
  }
}

function resolvePackage(workload: Workload, { deb }: SourceOf<"package">): Program {
  const resource: DebResource = {
    kind: "deb",
    ...fromPackage(workload),
    deb,
    program: dropInOf(workload),
    after,
  };
  return { ...sayStart(workload), version: deb.sha256, packages: [], resources: [resource] };
}

function resolveApt(workload: Workload, { name, version }: SourceOf<"apt">): Program {
  const resource: PackagedProgramResource = {
    kind: "packaged-program",
    ...fromPackage(workload),
    package: name,
    path: dropInOf(workload),
    after,
  };
  return {
    ...sayStart(workload),
    version: version ?? "",
    packages: [name],
    ...(version === undefined ? {} : { pins: { [name]: version } }),
    resources: [resource],
  };
}

function resolveDownload(workload: Workload, source: SourceOf<"download">): Program {
  const { stack, name, command = [] } = workload;
  const directory = programDirectoryOf(stack, name);
  const [first = "", ...rest] = command;
  // "./serve" and "bin/serve" are inside what was downloaded; "serve" may be there or on the host (ExecSearchPath=).
  const isInside = !first.startsWith("/") && first.includes("/");
  return {
    words: [isInside ? `${directory}/current/${first.replace(/^\.\//, "")}` : first, ...rest],
    version: source.sha256,
    packages: ["curl", "ca-certificates", "xz-utils", "unzip"],
    resources: [download(`${stack}-${name}`, source, directory, after)],
  };
}

function fromPackage({ stack, name, command, database, hasOwnUser }: Workload) {
  // Who logs in to a database, or has a user by the manifest, is not who the package thinks.
  const isWhoPackageThinks = database === undefined && !hasOwnUser;
  return {
    name: `${stack}-${name}`,
    stackDirectory: stackDirectoryOf(stack),
    adopts: command !== undefined ? "nothing" : isWhoPackageThinks ? "unit" : "command",
    environmentFile: environmentFileOf(stack, name),
  } as const;
}

function dropInOf({ stack, name }: Workload): string {
  return `/etc/systemd/system/${serviceUnitOf(stack, name)}.d/10-package.conf`;
}

function sayStart(workload: Workload): Pick<Program, "hint" | "words"> {
  if (workload.command !== undefined) return { words: workload.command };
  return {
    hint: `the package says what to start, in ${dropInOf(workload)}; exec in the manifest would say it instead`,
  };
}
