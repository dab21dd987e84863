import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { textFacts } from "../../facts/files/file.ts";
import { neighbourFacts, othersWith } from "../../facts/neighbours.ts";
import { hostStampPath, readStamp, stampPath } from "../../facts/files/stamp.ts";
import { unitFacts } from "../../facts/units/unit.ts";
import type { UnitFact } from "../../facts/units/unit.ts";
import { isPostgresUnit } from "../postgres/unit.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { claimAlone, claimTogether, idOf, idsOf, removeByScript } from "../resource.ts";
import type {
  Bound,
  Change,
  DiffContext,
  Resource,
  ResourceId,
  ResourceKind,
} from "../resource.ts";

/**
 * A systemd unit's state: enabled, running, and running with what it should run with.
 * Its file is a resource of its own (`file:`), or comes with a package.
 */
export interface UnitResource extends Resource {
  readonly kind: "unit";
  /** With its suffix: "caddy.service"; also the name. */
  readonly unit: string;
  readonly stackDirectory: string;
  readonly enabled: boolean;
  /** "started" for services and timers, "stopped", or "ignored" for what a timer starts. */
  readonly state: "started" | "stopped" | "ignored";
  /** When one of these changes in this plan, or `inputs` differs from the stamp, the unit is restarted or reloaded. */
  readonly watches: readonly ResourceId[];
  /** Hash of everything the running unit was made from; "" where nothing matters. */
  readonly inputs: string;
  readonly onChange: "restart" | "reload";
  /** Starts it, or starts it anew (`$verb`), where systemctl alone would not do; says why it did not, and fails. */
  readonly start?: Script;
  /** Runs after a start or restart: waits until it is really up, fails otherwise. */
  readonly check?: Script;
  /** How long start and check may take together. */
  readonly bound?: Bound;
  /**
   * For a unit that runs, when nothing but `files` of its settings changed: the same program starts again, so that a short look
   * is enough, and systemd has nothing to read anew. The proof after the run looks once more, at its restarts too.
   */
  readonly again?: { readonly files: readonly ResourceId[]; readonly check: Script };
  /**
   * Its package starts it, and all of `watches` is in place before the package: where the unit was not there when the plan was
   * made, that start is the one.
   */
  readonly isStartedByPackage?: true;
  /** An earlier step of the same run may have started it with all of `watches` in place (`noteStart`): not again then. */
  readonly sharesStart?: true;
  /** hostkit wrote the unit file: removal stops it. A package's unit is left to its package. */
  readonly ours: boolean;
}

type UnitOptions = Partial<Omit<UnitResource, "kind" | "name" | "unit" | "stackDirectory">>;

/** Builds a unit resource: enabled, started, restarted when a watched resource changes. */
export function unit(
  name: string,
  stackDirectory: string,
  options: UnitOptions = {},
): UnitResource {
  return {
    kind: "unit",
    name,
    unit: name,
    stackDirectory,
    enabled: true,
    state: "started",
    watches: [],
    inputs: "",
    onChange: "restart",
    ours: true,
    ...options,
    after: [...new Set([...(options.after ?? []), ...(options.watches ?? [])])],
  };
}

/** The name of a unit's stamp. */
export function unitStamp(name: string): string {
  return `unit-${name}`;
}

/** The id of a resource of this kind by its name. */
export const unitId = idsOf("unit");

export const unitKind: ResourceKind<UnitResource> = {
  kind: "unit",
  group: "units",
  touches: ({ name }) => [
    ...(isPostgresUnit(name) ? (["postgres"] as const) : []),
    ...(name === "caddy.service" ? (["certificates"] as const) : []),
  ],
  needs: (resource) => [
    need(unitFacts, resource.unit),
    need(textFacts, stampPath(resource.stackDirectory, unitStamp(resource.unit))),
  ],

  diff(resource, facts, context): Change | undefined {
    const { unit: name } = resource;
    const look = lookAt(resource, facts, context);
    const reasons = findReasons(resource, look, context.isUnfinished);
    if (reasons.length === 0) return look.isNoted ? undefined : noteOnly(resource);
    const verb = chooseVerb(resource, look);
    const isStarted = look.isRunning && resource.state === "started";
    return {
      id: idOf(resource),
      action: isStarted && verb !== "start" ? verb : look.exists ? "update" : "create",
      because: reasons.join(", "),
      invalidates: [stampPath(resource.stackDirectory, unitStamp(name))],
      steps: [
        {
          type: "script",
          title: `${describeVerb(resource, verb)} ${name}`,
          ...(resource.bound === undefined ? {} : { bound: resource.bound }),
          script: joinScripts([
            ...settleScripts(resource, look, verb),
            writeStampScript(resource.stackDirectory, unitStamp(name), resource.inputs),
          ]),
        },
      ],
    };
  },

  claims: (resource) => [
    resource.ours && resource.shared === undefined
      ? claimAlone(resource)
      : claimTogether(idOf(resource), resource.inputs),
  ],

  own: (resource) => ({ kind: "unit", name: resource.unit, ours: resource.ours }),
  removalNeeds: (owned) => [need(unitFacts, owned.name)],

  remove(owned, facts, context): Change | undefined {
    if (owned["ours"] !== true) return undefined;
    const fact = facts.get(unitFacts, owned.name);
    if (fact === undefined || fact.loadState === "not-found") return undefined;
    return removeByScript(
      owned,
      `stop and disable ${owned.name}`,
      sh`systemctl disable --now -q ${owned.name} || systemctl stop ${owned.name} || true
systemctl reset-failed ${owned.name} 2>/dev/null || true
rm -f ${[stampPath(context.stackDirectory, unitStamp(owned.name)), ...timerStamps(owned.name)]}`,
    );
  },
};

type Verb = "start" | "restart" | "reload";

/** What is known of a unit before anything is said of it. */
interface Look {
  readonly fact: UnitFact | undefined;
  readonly exists: boolean;
  readonly isRunning: boolean;
  readonly isEnabled: boolean;
  /** Watched resources that change in this plan. */
  readonly trigger: readonly ResourceId[];
  /** It runs with something older than it should. */
  readonly isStale: boolean;
  /** False where another stack's run started it with the same: this one only has to remember. */
  readonly isNoted: boolean;
}

function lookAt(resource: UnitResource, facts: Facts, context: DiffContext): Look {
  const fact = facts.get(unitFacts, resource.unit);
  const trigger = resource.watches.filter((id) => context.changed.has(id));
  const stamp = readStamp(facts, resource.stackDirectory, unitStamp(resource.unit));
  const isNoted = stamp !== undefined || !isSameElsewhere(resource, facts);
  return {
    fact,
    exists: fact !== undefined && fact.loadState !== "not-found",
    isRunning: fact?.activeState === "active" || fact?.activeState === "reloading",
    isEnabled: ["enabled", "static", "indirect", "generated", "alias"].includes(
      fact?.unitFileState ?? "",
    ),
    trigger,
    isNoted,
    isStale:
      trigger.length > 0 ||
      context.isUnfinished ||
      (resource.inputs !== "" && isNoted && stamp !== resource.inputs),
  };
}

function findReasons(resource: UnitResource, look: Look, isUnfinished: boolean): string[] {
  const { fact, exists, isRunning, isEnabled, isStale } = look;
  const reasons: string[] = [];
  if (fact?.loadState === "masked") reasons.push("is masked");
  if (resource.enabled && !isEnabled) reasons.push(exists ? "is not enabled" : "does not exist");
  if (!resource.enabled && fact?.unitFileState === "enabled")
    reasons.push("is enabled, should not be");
  if (resource.state === "started" && !isRunning) {
    reasons.push(
      `is ${fact?.activeState ?? "not loaded"}${fact?.result && fact.result !== "success" ? ` (${fact.result})` : ""}`,
    );
  } else if (resource.state === "started" && isStale) {
    reasons.push(whyStale(look.trigger, isUnfinished));
  }
  if (resource.state === "stopped" && isRunning) reasons.push("is running, should be stopped");
  if (resource.state === "ignored" && isStale) reasons.push("its files changed");
  if (fact?.needsDaemonReload === true) reasons.push("its unit file changed on disk");
  return reasons;
}

function whyStale(trigger: readonly ResourceId[], isUnfinished: boolean): string {
  if (trigger.length > 0) return `${trigger.join(", ")} changed`;
  return isUnfinished
    ? "a run ended before it was started anew"
    : "runs with an older configuration";
}

function chooseVerb(resource: UnitResource, { isRunning, exists }: Look): Verb {
  if (resource.onChange === "reload" && isRunning) return "reload";
  return resource.isStartedByPackage === true && !exists ? "start" : "restart";
}

/** Everything but the stamp. */
function settleScripts(resource: UnitResource, look: Look, verb: Verb): Script[] {
  const { unit: name } = resource;
  const again = startsTheSame(resource, look) ? resource.again : undefined;
  const scripts = again === undefined ? registerScripts(resource, look) : [];
  if (resource.state === "started") {
    scripts.push(sh`systemctl reset-failed ${name} 2>/dev/null || true`);
    scripts.push(startOnce(resource, look, verb));
    const check = again === undefined ? resource.check : again.check;
    if (check !== undefined) scripts.push(check);
  }
  if (resource.state === "stopped") scripts.push(sh`systemctl stop ${name}`);
  return scripts;
}

/** The same program starts again: nothing but files of its settings changed. */
function startsTheSame({ again, enabled }: UnitResource, look: Look): boolean {
  const { fact, isRunning, isEnabled, trigger } = look;
  return (
    again !== undefined &&
    isRunning &&
    fact?.loadState === "loaded" &&
    !fact.needsDaemonReload &&
    enabled === isEnabled &&
    trigger.length > 0 &&
    trigger.every((id) => again.files.includes(id))
  );
}

/** Both enable and disable let systemd read its files anew, systemctl(1). */
function registerScripts({ unit: name, enabled }: UnitResource, { fact }: Look): Script[] {
  return [
    ...(fact?.loadState === "masked"
      ? [
          sh`systemctl unmask ${name}
systemctl unmask --runtime -q ${name}`,
        ]
      : []),
    enabled ? sh`systemctl enable -q ${name}` : sh`systemctl disable -q ${name} || true`,
  ];
}

function startOnce(resource: UnitResource, look: Look, verb: Verb): Script {
  const { unit: name } = resource;
  if (look.isRunning && !look.isStale && look.fact?.needsDaemonReload !== true) return sh``;
  const start =
    resource.start === undefined
      ? startScript(verb, name)
      : joinScripts([sh`verb=${verb}`, resource.start]);
  return resource.sharesStart === true
    ? sh`if ! ${wasStarted(name)}; then
${start}
fi`
    : start;
}

/** A unit of the whole host that another stack has with the same inputs. */
function isSameElsewhere(resource: UnitResource, facts: Facts): boolean {
  return (
    resource.inputs !== "" &&
    othersWith(facts.get(neighbourFacts, resource.stackDirectory) ?? [], idOf(resource)).some(
      ({ claim }) => claim.mode === "together" && claim.value === resource.inputs,
    )
  );
}

function noteOnly(resource: UnitResource): Change {
  const { stackDirectory, unit: name, inputs } = resource;
  return {
    id: idOf(resource),
    action: "update",
    because: "runs for another stack as it should for this one",
    steps: [
      {
        type: "script",
        title: `remember how ${name} runs`,
        script: writeStampScript(stackDirectory, unitStamp(name), inputs),
      },
    ],
  };
}

/** Where systemd keeps when a persistent timer last ran, systemd.timer(5). */
function timerStamps(name: string): string[] {
  return name.endsWith(".timer") ? [`/var/lib/systemd/timers/stamp-${name}`] : [];
}

function describeVerb(resource: UnitResource, verb: string): string {
  if (resource.state === "started") return verb === "reload" ? "reload" : "start";
  return resource.state === "stopped" ? "stop" : "register";
}

/** Starts or reloads and, when that fails, prints the unit's last lines so that the error has its reason. */
export function startScript(verb: Verb, name: string): Script {
  return sh`if ! systemctl ${verb} ${name}; then
  journalctl -u ${name} -n 20 --no-pager -o cat >&2 || true
  exit 1
fi`;
}

/** Says for the rest of the run that a unit has been started with all that is in place now. */
export function noteStart(name: string): Script {
  return sh`mkdir -p "$HOSTKIT_RUN/started"
: >"$HOSTKIT_RUN/started/"${name}`;
}

function wasStarted(name: string): Script {
  return sh`[ -e "$HOSTKIT_RUN/started/"${name} ]`;
}

/** Lets systemd read its files anew where it knows units from older ones; those it does not know yet it reads at their start. */
export function reloadIfNeeded(names: readonly string[]): Script {
  return sh`case $(systemctl show -p NeedDaemonReload --value ${names}) in *yes*) systemctl daemon-reload ;; esac`;
}

/** Writes a stamp of what the host has once. */
export function writeHostStampScript(name: string, value: string): Script {
  const path = hostStampPath(name);
  return sh`printf %s ${value} >${path}.new && mv -f ${path}.new ${path}`;
}

/** Writes a stamp atomically. */
export function writeStampScript(stackDirectory: string, name: string, value: string): Script {
  const path = stampPath(stackDirectory, name);
  return sh`printf %s ${value} >${path}.new && mv -f ${path}.new ${path}`;
}
