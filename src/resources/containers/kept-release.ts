import { z } from "zod";
import type { SlotName } from "../../facts/containers/releases.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Step } from "../resource.ts";
import {
  beginScript,
  noteFilesScript,
  recordFunctions,
  recordsDirectoryOf,
  renderRecord,
} from "./records.ts";
import { awaitDrainScript, startScript } from "./release-scripts.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";
import { openTraffic } from "./traffic.ts";

/** How a file stood; what was in it lies beside, by its place in the list. */
const file = z.object({
  path: z.string().regex(/^\/[^\0\n]+$/),
  mode: z.string().regex(/^0[0-7]{3}$/),
  owner: z.string(),
  group: z.string(),
  secret: z.boolean(),
});
const slotOf = <N extends SlotName>(name: N) =>
  z.object({
    slot: z.literal(name),
    files: z.array(file),
    units: z.array(z.string()).min(1),
    possibleUnits: z.array(z.string()),
    upstream: z.string(),
  });
const schema = z.object({
  kind: z.literal("release"),
  name: z.string(),
  stack: z.string(),
  service: z.string(),
  stackDirectory: z.string(),
  upstreamPath: z.string(),
  release: z.string(),
  image: z.string(),
  graceSeconds: z.number(),
  exclusive: z.boolean(),
  exchange: z
    .object({
      marks: z.string().regex(/^\/run\/hostkit-exchange\/[^/\0\n]+\/[^/\0\n]+$/),
      routing: z.string(),
      addresses: z.object({ a: z.array(z.string()), b: z.array(z.string()) }),
    })
    .exactOptional(),
  seam: z
    .object({
      user: z.string(),
      database: z.string(),
      role: z.string(),
      port: z.string().exactOptional(),
    })
    .exactOptional(),
  binds: z.array(z.string()).exactOptional(),
  imageRepository: z.string().exactOptional(),
  drainSeconds: z.number().exactOptional(),
  given: z.string().exactOptional(),
  slots: z.object({ a: slotOf("a"), b: slotOf("b") }),
});

/** Name of the description in the folder of a kept release; the files of a slot are beside it: `a/0`, `a/1`, … */
const descriptionName = "release.json";

/** Folder of all that starts a release again, beside its record. */
function keptDirectoryOf(stackDirectory: string, service: string, id: string): string {
  return `${recordsDirectoryOf(stackDirectory, service)}/${id}`;
}

/** Where the description of a kept release is. */
export function keptPathOf(stackDirectory: string, service: string, id: string): string {
  return `${keptDirectoryOf(stackDirectory, service, id)}/${descriptionName}`;
}

function describeSlot({ slot, files, units, possibleUnits, upstream }: SlotPlan) {
  return {
    ...{ slot, units, possibleUnits, upstream },
    files: files.map(({ path, mode, owner, group, content }) => ({
      ...{ path, mode, owner, group },
      secret: "secret" in content,
    })),
  };
}

/**
 * What is uploaded beside a release, so that it can be gone back to when neither the manifest nor an image's source is at hand: how it
 * would stand in either slot, since by then the other one may serve.
 */
export function keepSteps(resource: ReleaseResource): Step[] {
  const { after: _after, behind: _behind, joins: _joins, serves: _serves, ...kept } = resource;
  const slots = { a: describeSlot(resource.slots.a), b: describeSlot(resource.slots.b) };
  const text = `${JSON.stringify({ ...kept, slots })}\n`;
  return [
    { type: "upload", as: `kept/${descriptionName}`, content: { text } },
    ...(["a", "b"] as const).flatMap((slot) =>
      resource.slots[slot].files.map(({ content }, index): Step => ({
        type: "upload",
        as: `kept/${slot}/${index}`,
        content,
      })),
    ),
  ];
}

/**
 * Reads the description of a kept release. Its files have no content here: `placeScript` takes it from the host.
 * @returns undefined for one that cannot be read
 */
export function parseKept(text: string | undefined): ReleaseResource | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
  const read = schema.safeParse(value);
  if (!read.success) return undefined;
  const fill = (slot: (typeof read.data.slots)[SlotName]): SlotPlan => ({
    ...slot,
    files: slot.files.map(({ secret, ...rest }) => ({
      ...rest,
      content: secret ? { secret: "" } : { text: "" },
    })),
  });
  const { a, b } = read.data.slots;
  return { ...read.data, slots: { a: fill(a), b: fill(b) } };
}

/** Writes down that a run goes back to a kept release; the new record has copies of all that is kept. */
export function beginAgainScript(
  kept: ReleaseResource,
  next: SlotPlan,
  from: {
    readonly id: string;
    readonly origin: string;
    readonly because: string;
    readonly undoes: readonly string[];
  },
): Script {
  const record = renderRecord(kept, next, from.because, { back: from.origin, undoes: from.undoes });
  return joinScripts([
    openTraffic(kept),
    // What is gone back to may still be there, ending what it has.
    sh`hk_drains ${from.id} || {
${awaitDrainScript(kept, next)}
}`,
    sh`docker image inspect ${kept.image} >/dev/null || { echo "the image of release ${from.id} is gone" >&2; exit 1; }
printf '%s' ${record} >record
rm -rf kept
cp -R ${keptDirectoryOf(kept.stackDirectory, kept.service, from.id)} kept`,
    beginScript(kept),
  ]);
}

/** Puts the files of a kept release, of this run's record, into a slot. */
export function placeScript(kept: ReleaseResource, { slot, files }: SlotPlan): Script {
  const records = recordsDirectoryOf(kept.stackDirectory, kept.service);
  return joinScripts([
    recordFunctions,
    sh`from=${records}/$(basename "$HOSTKIT_RUN")/${slot}`,
    ...files.map(
      ({ path, mode, owner, group }, index) =>
        sh`hk_put "$from"/${String(index)} ${path} ${mode} ${owner} ${group}`,
    ),
  ]);
}

/** Starts a kept release; one that still ends what it has, from the record of that id, has never stopped and goes on. */
export function startAgainScript(
  kept: ReleaseResource,
  next: SlotPlan,
  old: SlotPlan,
  id: string,
): Script {
  return joinScripts([
    openTraffic(kept),
    sh`goes_on=
if hk_drains ${id}; then
  systemctl stop "$hk_drain"
  systemctl daemon-reload
  goes_on=yes
  for u in ${next.units}; do systemctl is-active -q "$u" || goes_on=; done
fi
if [ -n "$goes_on" ]; then
${noteFilesScript(kept, next)}
else
${startScript(kept, next, old)}
fi`,
  ]);
}
