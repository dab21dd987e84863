import { parseUpstream } from "../../facts/containers/releases.ts";
import type { ReleaseRecord, SlotName } from "../../facts/containers/releases.ts";
import { readMark, trafficPathsOf } from "../../facts/containers/traffic.ts";
import type { Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { readStamp, stampPath } from "../../facts/files/stamp.ts";
import { usedUnitFacts } from "../../facts/units/unit.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { caddyfile, caddyToken } from "../../writers/caddyfile.ts";
import { noteReload } from "../proxy/handover.ts";
import type { Step } from "../resource.ts";
import { endExchangeScript, openExchange } from "./exchange.ts";
import { openRecords } from "./records.ts";
import { defaultDrainSeconds } from "./slots.ts";
import type { ReleaseResource, SlotPlan } from "./slots.ts";

/** Name of the stamp that says which of a service's files the proxy has read. */
export function releaseStamp(service: string): string {
  return `release-${service}`;
}

/** What a slot's plan says of its traffic: the mark's line, and what Caddy reads of the slot; "" where nobody is sent there. */
export function splitUpstream({ upstream }: Pick<SlotPlan, "upstream">): {
  readonly line: string;
  readonly addresses: string;
} {
  const end = upstream.indexOf("\n") + 1;
  return { line: upstream.slice(0, end), addresses: upstream.slice(end) };
}

/** Whether the proxy can send requests to a service. */
export function isRouted(resource: Pick<ReleaseResource, "slots">): boolean {
  return splitUpstream(resource.slots.a).addresses !== "";
}

/**
 * What Caddy asks for each request: which of the marks is there. Its `file` matcher looks at the file system each time
 * (modules/caddyhttp/fileserver/matcher.go of 2.6.2), so that no reload moves traffic.
 */
export function renderRouting({
  upstreamPath,
  exchange,
}: Pick<ReleaseResource, "upstreamPath" | "exchange">): string {
  const { upstreams, marks } = trafficPathsOf(upstreamPath);
  const at = upstreamPath.lastIndexOf("/");
  const folder = caddyToken(upstreamPath.slice(0, at));
  const name = (path: string) => caddyToken(path.slice(at + 1));
  const branch = (slot: SlotName) => {
    const matcher = caddyToken(`@hostkit_${slot}`);
    return caddyfile`${matcher} file {
	root ${folder}
	try_files ${name(marks[slot])}
}
handle ${matcher} {
	import ${caddyToken(upstreams[slot])}
}
`;
  };
  const first =
    "# Written by hostkit. Which of these has the traffic is said by a file beside this one; Caddy looks for each request.\n";
  const slots = caddyfile`${branch("b")}${branch("a")}handle {
	error 503
}
`;
  return `${first}${exchange?.routing ?? ""}${slots.text}`;
}

/** What is read by Caddy of a service, in one: the stamp is its hash. */
function hashRead(texts: readonly (string | undefined)[]): string {
  return hashText(texts.map((text) => text ?? "").join(""));
}

/** The files that `layScript` reads. */
export function trafficSteps(resource: ReleaseResource): Step[] {
  const { a, b } = resource.slots;
  const text = (as: string, content: string): Step => ({
    type: "upload",
    as,
    content: { text: content },
  });
  return [text("upstream-a", a.upstream), text("upstream-b", b.upstream)];
}

/** The same for steps that come without files. */
export function trafficFilesScript({ slots: { a, b } }: ReleaseResource): Script {
  return sh`printf '%s' ${a.upstream} >upstream-a
printf '%s' ${b.upstream} >upstream-b`;
}

/**
 * Lays what Caddy reads of the service, and lets it read that where anything of it is new: a first release, another number of copies.
 * What the other slot has stays, where it has anything.
 * @param refused what is done where Caddy does not take it, before the step fails
 */
export function layScript(resource: ReleaseResource, next: SlotPlan, refused: Script): Script {
  const { upstreamPath, stackDirectory, service } = resource;
  const { routing, upstreams } = trafficPathsOf(upstreamPath);
  const other = next.slot === "a" ? "b" : "a";
  const files = [upstreams[next.slot], upstreams[other], routing];
  const folder = routing.slice(0, routing.lastIndexOf("/"));
  const stamp = stampPath(stackDirectory, releaseStamp(service));
  const lay = isRouted(resource)
    ? sh`sed 1d ${`upstream-${next.slot}`} >addresses
sed 1d ${`upstream-${other}`} >other-addresses
printf '%s' ${renderRouting(resource)} >routing
laid=$(hk_put_text addresses ${upstreams[next.slot]}
[ -e ${upstreams[other]} ] || hk_put_text other-addresses ${upstreams[other]}
hk_put_text routing ${routing})
read_stamp=$(cat ${stamp} 2>/dev/null) || read_stamp=
if { [ -n "$laid" ] || [ "$read_stamp" != "$(cat ${routing} ${upstreams.a} ${upstreams.b} | sha256sum | cut -c1-64)" ]; } && hk_reads_switch; then
  if ! systemctl reload caddy.service; then
    journalctl -u caddy.service --since -2min --no-pager -o cat | grep -v ${'"level":"info"'} | tail -n 20 >&2 || true
    hk_settle_texts undo ${files}
    ${refused}
    exit 1
  fi
fi
hk_settle_texts keep ${files}
cat ${routing} ${upstreams.a} ${upstreams.b} | sha256sum | cut -c1-64 | tr -d ${"\\n"} >${stamp}.new
mv -f ${stamp}.new ${stamp}`
    : sh`if grep -qs ${"^# hostkit: slot "} ${routing}; then rm -f ${routing}; fi`;
  return joinScripts([
    sh`umask 022
mkdir -p ${folder} ${stamp.slice(0, stamp.lastIndexOf("/"))}
# As it was said before there were marks: the same, in another place.
if [ "$(hk_mark)" = ${routing} ] && [ -n "$(hk_traffic)" ]; then hk_send ${routing}; fi`,
    lay,
  ]);
}

/** Moves the traffic to a slot, and looks whether the proxy can see that. */
export function sendScript(resource: ReleaseResource, next: SlotPlan, refused: Script): Script {
  const mark = trafficPathsOf(resource.upstreamPath).marks[next.slot];
  return joinScripts([
    sh`hk_send ${`upstream-${next.slot}`}
if hk_reads_switch && ! hk_sees_switch ${mark}; then
  echo ${`caddy's user cannot see ${mark}: somebody changed the folders on the way to it`} >&2
  ${refused}
  exit 1
fi`,
    endExchangeScript(resource),
  ]);
}

/** The unit that waits for what a slot still has, once it lost the traffic: one a service. */
export function drainUnitOf(stack: string, service: string): string {
  return `hostkit-drain-${stack}-${service}.service`;
}

/** How long a slot that lost the traffic has for what it still has: none where it was stopped before. */
export function drainSecondsOf({
  exclusive,
  exchange,
  drainSeconds = defaultDrainSeconds,
}: ReleaseResource): number {
  return exclusive && exchange === undefined ? 0 : drainSeconds;
}

/** Ids of the releases that lost the traffic and still end what they have; asks for the units of `drainUnitOf`. */
export function findDraining(
  records: readonly ReleaseRecord[],
  stack: string,
  facts: Facts,
): Set<string> {
  const services = new Set(records.map(({ service }) => service));
  const ids = [...services].flatMap((service) => {
    if (facts.get(usedUnitFacts, drainUnitOf(stack, service))?.activeState !== "active") return [];
    const last = records
      .filter((one) => one.service === service && one.drains !== undefined)
      .toSorted((left, right) => (left.drains ?? 0) - (right.drains ?? 0))
      .at(-1);
    return last === undefined ? [] : [last.id];
  });
  return new Set(ids);
}

/** What a plan says where the slot that a release needs still has what a former one began; nothing where it does not. */
export function describeDrain(resource: ReleaseResource, next: SlotPlan, facts: Facts): string[] {
  const { stack, service } = resource;
  if (facts.get(usedUnitFacts, drainUnitOf(stack, service))?.activeState !== "active") return [];
  return [
    `waits for a former release that still has connections in slot ${next.slot}, at most ${drainSecondsOf(resource)} s (drain)`,
  ];
}

/** Whether Caddy's files send requests on as this version of the service wants it. */
export function hasRouting(resource: ReleaseResource, facts: Facts): boolean {
  return (
    facts.get(textFacts, trafficPathsOf(resource.upstreamPath).routing) === renderRouting(resource)
  );
}

/** What a plan says where a release makes Caddy read anew: another number of copies. */
export function describeReload(resource: ReleaseResource, next: SlotPlan, facts: Facts): string[] {
  const { upstreams } = trafficPathsOf(resource.upstreamPath);
  const isRead =
    hasRouting(resource, facts) &&
    facts.get(textFacts, upstreams[next.slot]) === splitUpstream(next).addresses;
  return isRead || !isRouted(resource) ? [] : noteReload(facts);
}

/** All files that say where a service's requests go, and what a run leaves of them that is killed while it changes one. */
export function listTrafficFiles(upstreamPath: string): string[] {
  const { routing, upstreams, marks } = trafficPathsOf(upstreamPath);
  const read = [routing, upstreams.a, upstreams.b];
  return [
    ...[...read, marks.a, marks.b].flatMap((path) => [path, `${path}.new`]),
    ...read.flatMap((path) => [`${path}.former`, `${path}.none`]),
  ];
}

/** What does not stand as the release in this slot wants it, in words. */
export function listTrafficFaults(
  resource: ReleaseResource,
  plan: SlotPlan,
  facts: Facts,
): string[] {
  const { upstreamPath, stackDirectory, service } = resource;
  const { routing, upstreams } = trafficPathsOf(upstreamPath);
  const { line, addresses } = splitUpstream(plan);
  const mark = readMark(facts, upstreamPath);
  if (mark?.isFormer === true && parseUpstream(mark.text) !== undefined)
    return ["where it listens was said by an earlier version of hostkit"];
  const faults =
    mark === undefined || mark.isFormer
      ? ["nothing says any more where its traffic goes"]
      : mark.text === line
        ? []
        : [`${mark.path} was edited`];
  if (!isRouted(resource)) return faults;
  const wanted = [
    [routing, renderRouting(resource)],
    [upstreams[plan.slot], addresses],
  ] as const;
  for (const [path, text] of wanted)
    if (facts.get(textFacts, path) !== text) faults.push(`${path} was edited`);
  const texts = [routing, upstreams.a, upstreams.b].map((path) => facts.get(textFacts, path));
  if (texts.includes(undefined)) faults.push("where the other slot listens is not there");
  if (
    faults.length === 0 &&
    readStamp(facts, stackDirectory, releaseStamp(service)) !== hashRead(texts)
  )
    faults.push("the proxy has not read where it listens");
  return faults;
}

/** Sets what the functions of traffic.sh and records.sh go by. */
export function openTraffic(resource: ReleaseResource): Script {
  return joinScripts([
    openRecords(resource),
    openExchange(resource),
    sh`hk_drain=${drainUnitOf(resource.stack, resource.service)}`,
  ]);
}
