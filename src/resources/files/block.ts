import { need } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "./difference.ts";
import { claimSame, idOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/**
 * A marked block of lines inside a file that somebody else owns (pg_hba.conf, /etc/hosts): the rest of the file,
 * its owner and its mode stay as they are.
 */
export interface BlockResource extends Resource {
  readonly kind: "block";
  readonly path: string;
  /** Stands in the marker lines; unique within the file: the stack's name. */
  readonly label: string;
  /** Without markers; ends in a newline. */
  readonly text: string;
  readonly position: "top" | "bottom";
}

/** Builds a block resource; its name is `path#label`. */
export function block(
  path: string,
  label: string,
  text: string,
  options: Partial<Pick<BlockResource, "position" | "after" | "shared">> = {},
): BlockResource {
  return {
    kind: "block",
    name: `${path}#${label}`,
    path,
    label,
    text,
    position: options.position ?? "bottom",
    ...(options.after === undefined ? {} : { after: options.after }),
    ...(options.shared === undefined ? {} : { shared: options.shared }),
  };
}

function beginOf(label: string): string {
  return `# begin hostkit ${label}`;
}

function endOf(label: string): string {
  return `# end hostkit ${label}`;
}

/** Blocks of other stacks: which of them is first does not matter, for each only speaks of its own. */
const otherBlocks = /^(?:# begin hostkit (.*)\n(?:.*\n)*?# end hostkit \1\n)*$/;

/** The text without the labelled block, and the block's inner text (undefined where there is none). */
export function splitBlock(
  content: string,
  label: string,
): { rest: string; inner: string | undefined; atTop: boolean } {
  const begin = `${beginOf(label)}\n`;
  const end = `${endOf(label)}\n`;
  const from = content.startsWith(begin) ? 0 : content.indexOf(`\n${begin}`) + 1;
  const isThere = content.startsWith(begin, from);
  const to = isThere ? content.indexOf(end, from) : -1;
  if (!isThere || to < 0) return { rest: content, inner: undefined, atTop: false };
  return {
    rest: content.slice(0, from) + content.slice(to + end.length),
    inner: content.slice(from + begin.length, to),
    atTop: otherBlocks.test(content.slice(0, from)),
  };
}

/** A block with its marker lines. */
export function wrapBlock({ label, text }: Pick<BlockResource, "label" | "text">): string {
  return `${beginOf(label)}\n${text}${endOf(label)}\n`;
}

/** Writes the file as it will be with this block at its top, without touching it. */
export function stageBlock(
  { path, label }: Pick<BlockResource, "path" | "label">,
  block: string,
  to: string,
): Script {
  return sh`${cutBlock(path, label)}
cat ${block} rest >${to}`;
}

export const blockKind: ResourceKind<BlockResource> = {
  kind: "block",
  group: "files",
  needs: (resource) => [need(textFacts, resource.path), need(fileFacts, resource.path)],

  diff(resource, facts): Change | undefined {
    const content = facts.get(textFacts, resource.path) ?? "";
    const { inner, atTop } = splitBlock(content, resource.label);
    const isPlaced = resource.position === "bottom" || atTop;
    if (inner === resource.text && isPlaced) return undefined;
    return {
      id: idOf(resource),
      action: inner === undefined ? "create" : "update",
      because:
        inner === undefined
          ? "block is missing"
          : inner === resource.text
            ? "block is not at the top"
            : "block differs",
      difference: diffLines(inner ?? "", resource.text),
      steps: [
        {
          type: "upload",
          as: "block",
          content: { text: wrapBlock(resource) },
        },
        {
          type: "script",
          title: `write block in ${resource.path}`,
          script: sh`${cutBlock(resource.path, resource.label)}
if [ ${resource.position} = top ]; then cat block rest >next; else
  if [ -s rest ] && [ -n "$(tail -c 1 rest)" ]; then echo >>rest; fi
  cat rest block >next
fi
hk_rewrite next ${resource.path}`,
        },
      ],
    };
  },

  claims: (resource) => (resource.shared === undefined ? [] : [claimSame(resource, resource.text)]),

  own: (resource) => ({
    kind: "block",
    name: resource.name,
    path: resource.path,
    label: resource.label,
  }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  remove(owned, facts): Change | undefined {
    const path = String(owned["path"]);
    if (facts.get(fileFacts, path) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove block from ${path}`,
      sh`hk_read ${path} >/dev/null || { [ $? -eq 2 ] && exit 0; exit 1; }
${cutBlock(path, String(owned["label"]))}
hk_rewrite rest ${path}`,
    );
  },
};

/** The file without the block, as `rest`; empty where there is no file. */
function cutBlock(path: string, label: string): Script {
  return sh`hk_read ${path} >present || [ $? -eq 2 ]
awk -v b=${beginOf(label)} -v e=${endOf(label)} ${"$0==b {skip=1} !skip {print} $0==e {skip=0}"} <present >rest`;
}
