import { need } from "../../facts/fact.ts";
import { fileFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import { idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * A program fetched by the host itself: `directory/<hash>/` holds what was unpacked, `directory/current` points there.
 * An archive with one folder at its top loses that folder; a file that is no archive keeps its name.
 */
export interface DownloadResource extends Resource {
  readonly kind: "download";
  readonly url: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly directory: string;
}

/** Builds a download resource. @param name `<stack>-<service>` */
export function download(
  name: string,
  source: { readonly url: string; readonly sha256: string },
  directory: string,
  after: DownloadResource["after"],
): DownloadResource {
  return {
    kind: "download",
    name,
    url: source.url,
    sha256: source.sha256,
    directory,
    ...(after === undefined ? {} : { after }),
  };
}

/** The folder of one version. Written whole or not at all: it appears by a rename. */
function versionOf(resource: Pick<DownloadResource, "directory" | "sha256">): string {
  return `${resource.directory}/${resource.sha256.slice(0, 16)}`;
}

export const downloadKind: ResourceKind<DownloadResource> = {
  kind: "download",
  group: "packages",
  needs: (resource) => [
    need(fileFacts, versionOf(resource)),
    need(fileFacts, `${versionOf(resource)}/.hostkit-current`),
    need(fileFacts, `${resource.directory}/current`),
  ],

  diff(resource, facts, context): Change | undefined {
    const { url, sha256, directory } = resource;
    const version = versionOf(resource);
    const isThere = facts.get(fileFacts, version)?.type === "directory";
    const isCurrent =
      facts.get(fileFacts, `${version}/.hostkit-current`) !== undefined &&
      facts.get(fileFacts, `${directory}/current`)?.type === "link";
    if (isThere && isCurrent && !context.isUnfinished) return undefined;
    const fileName = decodeName(url);
    return {
      id: idOf(resource),
      action: isThere ? "update" : "create",
      because: !isThere
        ? `${url} is not on the host`
        : isCurrent
          ? "a run ended before older versions were taken away"
          : `${directory}/current points elsewhere`,
      steps: [
        {
          type: "script",
          title: `fetch ${url}`,
          bound: { seconds: 3600, waitsFor: `the server of ${url}` },
          script: sh`umask 022
mkdir -p ${directory}
if [ ! -d ${version} ]; then
  curl -fsSL --globoff --retry 3 --connect-timeout 20 --speed-limit 1 --speed-time 60 -o archive ${url}
  sum=$(sha256sum archive | cut -c1-64)
  if [ "$sum" != ${sha256} ]; then
    echo ${`${url} has another sha256 than the manifest says; nothing was installed`} >&2
    echo ${`wanted ${sha256}`} >&2
    echo "got    $sum" >&2
    exit 1
  fi
  rm -rf unpacked && mkdir unpacked
  if [ "$(head -c 2 archive)" = PK ]; then
    unzip -q archive -d unpacked
  elif tar -tf archive >/dev/null 2>&1; then
    tar -xf archive -C unpacked --no-same-owner
  else
    case $(head -c 2 archive | od -An -tx1 | tr -d ${" \\n"}) in
      1f8b) gzip -dc <archive >unpacked/${fileName.replace(/\.gz$/, "")} ;;
      fd37) xz -dc <archive >unpacked/${fileName.replace(/\.xz$/, "")} ;;
      *) cp archive unpacked/${fileName} ;;
    esac
    chmod 0755 unpacked/*
  fi
  rm -f archive
  top=unpacked
  if [ "$(ls -A unpacked | wc -l)" -eq 1 ] && [ -d "unpacked/$(ls -A unpacked)" ]; then top="unpacked/$(ls -A unpacked)"; fi
  chown -R root:root "$top"
  chmod -R go-w,a+rX "$top"
  rm -rf ${`${version}.new`}
  cp -a "$top" ${`${version}.new`}
  mv ${`${version}.new`} ${version}
fi`,
        },
        {
          type: "script",
          title: `point ${directory}/current to it`,
          // The mark says which folder the link means: a link's target is no fact.
          script: sh`for d in ${directory}/*/; do rm -f "$d/.hostkit-current"; done
ln -sfn ${version} ${`${directory}/current.new`}
mv -fT ${`${directory}/current.new`} ${`${directory}/current`}
touch ${`${version}/.hostkit-current`}
ls -1dt ${directory}/*/ | grep -v ${"/current/$"} | grep -vxF ${`${version}/`} | tail -n +2 | while read -r old; do rm -rf "$old"; done`,
        },
      ],
    };
  },

  own: (resource) => ({ kind: "download", name: resource.name, directory: resource.directory }),
  removalNeeds: () => [],

  remove(owned): Change {
    const directory = String(owned["directory"]);
    return removeByScript(
      owned,
      `remove ${directory}`,
      sh`rm -rf -- ${directory}
rmdir -p --ignore-fail-on-non-empty ${directory.slice(0, directory.lastIndexOf("/"))} 2>/dev/null || true`,
    );
  },
};

/** The last part of the URL's path, made safe as a file name. */
function decodeName(url: string): string {
  const path = url.replace(/[?#].*$/, "");
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/[^A-Za-z0-9._+-]/g, "_");
  return name === "" || name.startsWith(".") ? "program" : name;
}
