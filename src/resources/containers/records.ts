import { releasesDirectoryOf } from "../../facts/containers/releases.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";

/** So many releases that were replaced stay, to be gone back to; of those that failed so many are remembered. */
const kept = { former: 3, failures: 5 };

/** Folder of a service's records. */
export function recordsDirectoryOf(stackDirectory: string, service: string): string {
  return `${releasesDirectoryOf(stackDirectory)}/${service}`;
}

/**
 * A record's first line: all that is known before the release begins. The words that the shell reads stand first.
 * @param more of a release that was gone back to: which record, and the hashes of the releases that it undoes; for how long it is watched
 */
export function renderRecord(
  { service, release, image, binds = [], given }: ReleaseResource,
  { slot }: SlotPlan,
  because: string,
  more: {
    readonly back?: string;
    readonly undoes?: readonly string[];
    readonly watch?: number;
  } = {},
): string {
  const said = given === undefined ? {} : { given };
  return `${JSON.stringify({ service, release, slot, image, binds, because, ...said, ...more })}\n`;
}

/** For the scripts of a run: the functions of templates/run/records.sh. */
export const recordFunctions: Script = sh`. "$HOSTKIT_RUN/records.sh"`;

/** Sets what the functions of records.sh go by. */
export function openRecords({
  stackDirectory,
  service,
  upstreamPath,
  slots,
}: ReleaseResource): Script {
  const list = ({ files }: SlotPlan): string =>
    files
      .map(({ path, content }) => `${"secret" in content ? "secret" : "plain"} ${path}`)
      .join("\n");
  return joinScripts([
    recordFunctions,
    sh`hk_records=${recordsDirectoryOf(stackDirectory, service)} hk_switch=${upstreamPath}
hk_files_a=${list(slots.a)}
hk_files_b=${list(slots.b)}
hk_former=${kept.former} hk_failures=${kept.failures}`,
  ]);
}

/** Lets the records say what the upstream file does. Nothing is started or stopped. */
export function settleScript(resource: ReleaseResource): Script {
  return joinScripts([openRecords(resource), sh`hk_settle_releases`]);
}

/** Writes the release down before anything of it is on the host; its first line is in `record`. */
export function beginScript(resource: ReleaseResource): Script {
  return joinScripts([openRecords(resource), sh`hk_begin_release record ${resource.image}`]);
}

/** Lets the next provision release again what was gone back from, or what the manifest says. */
export function forgetScript(records: string, id: string): Script {
  return joinScripts([
    recordFunctions,
    sh`printf '{"state":"serving","undoes":[],"given":"","at":%s}\n' "$(date +%s)" | hk_amend ${`${records}/${id}.jsonl`}`,
  ]);
}

/** Adds what its files are, once they are there. */
export function noteFilesScript(resource: ReleaseResource, { slot }: SlotPlan): Script {
  return joinScripts([openRecords(resource), sh`hk_note_files ${slot}`]);
}

/** Removes tags of our own repository that no release needs; nobody else's images are touched. */
export function pruneImagesScript(repository: string): Script {
  return joinScripts([
    recordFunctions,
    sh`docker image ls --format ${"{{.Repository}}:{{.Tag}}"} ${repository} | while read -r image; do
  hk_needs_image "$image" || docker image rm "$image" >/dev/null || true
done`,
  ]);
}
