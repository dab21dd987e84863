import { need } from "../../facts/fact.ts";
import type { FactNeed, Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { secretNeeds, secretSourceOf } from "../../facts/files/secret-bytes.ts";
import { bytesOf, hashSecret, hashText } from "../../facts/files/hash.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "./difference.ts";
import { restoreScript } from "./preimage.ts";
import { tryUnitFile } from "../units/unit-file.ts";
import { claimAlone, claimSame, idOf, idsOf } from "../resource.ts";
import type { Change, Content, DiffContext, Resource, ResourceKind, Step } from "../resource.ts";

/** A regular file with exactly this content. */
export interface FileResource extends Resource {
  readonly kind: "file";
  /** Absolute path; also the name. */
  readonly path: string;
  readonly content: Content;
  /** Four octal digits. */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
  /** Where a copy of what stands there lies until somebody has seen that what is written in its place works; a path in a folder of root. */
  readonly former?: string;
  /** Read the old text too, so that `plan` can show the difference (never for secrets). Default true for text. */
  readonly showDifference?: boolean;
}

/** Folders in which every stack has one of its own name. */
const ownFolders = /^\/(?:etc|usr\/local\/lib|opt)\/hostkit\//;

/** Builds a file resource: root:root 0644 unless told otherwise. */
export function file(
  path: string,
  content: Content | string,
  options: Partial<
    Pick<FileResource, "mode" | "owner" | "group" | "after" | "shared" | "former">
  > = {},
): FileResource {
  return {
    kind: "file",
    name: path,
    path,
    content: typeof content === "string" ? { text: content } : content,
    mode: options.mode ?? "0644",
    owner: options.owner ?? "root",
    group: options.group ?? "root",
    ...(options.after === undefined ? {} : { after: options.after }),
    ...(options.shared === undefined ? {} : { shared: options.shared }),
    ...(options.former === undefined ? {} : { former: options.former }),
  };
}

function hasText(content: Content): content is { text: string } {
  return "text" in content;
}

/** The id of a resource of this kind by its name. */
export const fileId = idsOf("file");

export const fileKind: ResourceKind<FileResource> = {
  kind: "file",
  group: "files",

  needs(resource): FactNeed[] {
    const needs = [need(fileFacts, resource.path)];
    if ("secret" in resource.content)
      needs.push(...secretNeeds(resource.path, resource.content.secret));
    if (hasText(resource.content) && resource.showDifference !== false)
      needs.push(need(textFacts, resource.path, resource.content.text));
    return needs;
  },

  diff(resource, facts, context): Change | undefined {
    const reasons = findDifferences(resource, facts);
    if (reasons === undefined) return undefined;
    const exists = facts.get(fileFacts, resource.path) !== undefined;
    const difference = hasText(resource.content)
      ? diffLines(facts.get(textFacts, resource.path) ?? "", resource.content.text)
      : undefined;
    return {
      id: idOf(resource),
      action: exists ? "update" : "create",
      because: reasons.join(", "),
      steps: [
        ...tryUnitFile(resource.path, resource.content),
        ...(exists ? keepFormer(resource) : []),
        putStep(resource, context),
      ],
      ...(difference === undefined || difference.length === 0 ? {} : { difference }),
    };
  },

  claims(resource) {
    if (resource.shared !== undefined && hasText(resource.content))
      return [claimSame(resource, resource.content.text)];
    return ownFolders.test(resource.path) ? [] : [claimAlone(resource)];
  },

  own: (resource) => ({ kind: "file", name: resource.path, path: resource.path }),

  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  isGone: (owned, facts) => facts.get(fileFacts, String(owned["path"])) === undefined,

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    return {
      id: idOf(owned),
      action: "delete",
      because: "no longer in the manifest",
      steps: [
        {
          type: "script",
          title: `remove ${path}`,
          script: joinScripts([stopUnitScript(path), restoreScript(path, context)]),
        },
        ...(path.startsWith("/etc/systemd/")
          ? [
              {
                type: "script" as const,
                title: "reload systemd",
                script: sh`systemctl daemon-reload`,
              },
            ]
          : []),
      ],
    };
  },
};

function keepFormer({ path, former }: FileResource): Step[] {
  if (former === undefined) return [];
  return [
    {
      type: "script",
      title: `keep what is in ${path}`,
      script: sh`(umask 077; mkdir -p ${former.replace(/\/[^/]*$/, "")})
hk_keep ${path} ${former}`,
    },
  ];
}

/** A unit whose file goes must not run on without one: its own change may have failed, so that nobody owns its state. */
function stopUnitScript(path: string): Script {
  const name = /^\/etc\/systemd\/system\/([^/]+\.(?:service|socket|timer))$/.exec(path)?.[1];
  return name === undefined || name.includes("@.")
    ? sh``
    : sh`systemctl disable --now -q ${name} 2>/dev/null || systemctl stop ${name} 2>/dev/null || true
systemctl reset-failed ${name} 2>/dev/null || true`;
}

/** The upload that makes a file so; for kinds that hold a file and do more with it (sshd, nftables, Caddy). */
export function putStep(
  resource: Pick<FileResource, "path" | "content" | "mode" | "owner" | "group">,
  context: Pick<DiffContext, "isOwned">,
): Change["steps"][number] {
  return {
    type: "put",
    path: resource.path,
    content: resource.content,
    mode: resource.mode,
    owner: resource.owner,
    group: resource.group,
    ...(context.isOwned ? {} : { preimage: true }),
  };
}

/** What differs between a desired file and the host, for a person; undefined where nothing does. */
export function findDifferences(
  resource: Pick<FileResource, "path" | "content" | "mode" | "owner" | "group">,
  facts: Facts,
): string[] | undefined {
  const fact = facts.get(fileFacts, resource.path);
  if (fact === undefined) return ["does not exist"];
  if (fact.type !== "file") return [`is a ${fact.type}, should be a file`];
  const reasons: string[] = [];
  if (!hasSameContent(resource, facts)) reasons.push("content differs");
  if (fact.mode !== resource.mode) reasons.push(`mode is ${fact.mode}, should be ${resource.mode}`);
  if (fact.owner !== resource.owner)
    reasons.push(`owner is ${fact.owner}, should be ${resource.owner}`);
  if (fact.group !== resource.group)
    reasons.push(`group is ${fact.group}, should be ${resource.group}`);
  return reasons.length === 0 ? undefined : reasons;
}

function hasSameContent(resource: Pick<FileResource, "path" | "content">, facts: Facts): boolean {
  const { content, path } = resource;
  if ("secret" in content) {
    const fact = facts.get(secretSourceOf(content.secret), path);
    const size = bytesOf(content.secret).length;
    return (
      fact !== undefined &&
      fact.hash === hashSecret(fact.key, content.secret) &&
      facts.get(fileFacts, path)?.size === size
    );
  }
  const sha256 = "text" in content ? hashText(content.text) : content.blob.sha256;
  return facts.get(fileFacts, path)?.sha256 === sha256;
}
