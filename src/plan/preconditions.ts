import { aptSimulationFacts } from "../facts/packages/apt-simulation.ts";
import { diskFacts } from "../facts/files/disk.ts";
import { engineFacts, engineSubject } from "../facts/containers/engine.ts";
import { need } from "../facts/fact.ts";
import type { FactNeed, Facts } from "../facts/fact.ts";
import { packetRulesFacts, packetRulesSubject } from "../facts/system/packet-rules.ts";
import { plantedFacts } from "../facts/files/planted.ts";
import { packageFacts } from "../facts/packages/package.ts";
import { rivalFirewallFacts, rivalFirewalls } from "../facts/system/rival-firewall.ts";
import { HostkitError } from "../errors.ts";
import type { Manifest } from "../manifest/schema.ts";
import { adviseHolder, describeHolder, findPortConflicts, portNeeds } from "./port-conflicts.ts";
import type { Plan } from "./types.ts";
import { checkFlush, checkRivalRules } from "./rivals/check.ts";
import { checkDisk, diskFolders } from "./room.ts";
import { parseState } from "./state.ts";
import {
  checkDpkg,
  checkEngine,
  checkPackages,
  engineNames,
  wordsOf,
} from "./package-obstacles.ts";

/** What the checks ask about, of a host for which there is this plan. */
export function preconditionNeeds(plan: Plan): FactNeed[] {
  const words = wordsOf(plan);
  return [
    ...portNeeds,
    ...diskFolders.map((folder) => need(diskFacts, folder)),
    ...Object.keys(rivalFirewalls).map((name) => need(rivalFirewallFacts, name)),
    need(packetRulesFacts, packetRulesSubject),
    need(engineFacts, engineSubject),
    ...["dpkg", ...engineNames].map((name) => need(packageFacts, name)),
    ...(words === "" ? [] : [need(aptSimulationFacts, words)]),
    ...listPathNeeds(plan),
  ];
}

/**
 * What would make a run fail halfway, found before it begins.
 * @param facts of `preconditionNeeds`
 * @returns one error for each kind of problem; empty where the run may begin
 */
export function findObstacles(manifest: Manifest, plan: Plan, facts: Facts): HostkitError[] {
  if (plan.changes.length === 0) return [];
  const unreadable = checkDpkg(plan, facts);
  return [
    ...(plan.refusals ?? []).map(
      (parts) => new HostkitError("manifest_invalid", { where: plan.host, ...parts }),
    ),
    ...(unreadable === undefined
      ? [...checkPackages(plan, facts), ...checkEngine(manifest, plan, facts)]
      : [unreadable]),
    ...checkDisk(plan, facts),
    checkPorts(manifest, plan, facts),
    checkFirewall(plan, facts) ?? checkRivalRules(manifest, plan.host, facts),
    checkFlush(manifest, plan.host, facts),
    checkPlanted(plan, facts),
    ...listRefusals(plan),
  ].filter((error) => error !== undefined);
}

/** What the kinds themselves saw: a migration that was edited, or cannot be run as it is. */
function listRefusals(plan: Plan): HostkitError[] {
  return plan.changes.flatMap(({ refusal }) => {
    if (refusal === undefined) return [];
    const { code = "manifest_invalid", ...parts } = refusal;
    return [new HostkitError(code, { where: plan.host, why: "nothing was changed", ...parts })];
  });
}

function checkPorts(manifest: Manifest, plan: Plan, facts: Facts): HostkitError | undefined {
  const conflicts = findPortConflicts(manifest, parseState(plan.state), facts);
  const [first] = conflicts;
  if (first === undefined) return undefined;
  const taken = conflicts.map(
    (one) =>
      `${one.port}${one.protocol === "udp" ? "/udp" : ""} is taken by ${describeHolder(one)}`,
  );
  const wanting = [...new Set(conflicts.map(({ wantedBy }) => wantedBy))].map((name) =>
    name === "proxy" ? "the reverse proxy needs ports 80 and 443" : `${name} publishes it`,
  );
  return new HostkitError("port_taken", {
    what: `port ${taken.join(", port ")}`,
    where: plan.host,
    why: `${wanting.join(", ")}; nothing was changed`,
    next: `on the host: ${adviseHolder(first)}`,
  });
}

/** A second manager's drop rules still count after ours accepted: what should be open would stay shut. */
function checkFirewall(plan: Plan, facts: Facts): HostkitError | undefined {
  const [rival] = facts.all(rivalFirewallFacts).keys();
  const isOurs = plan.changes.some(
    ({ touches, action }) => touches?.includes("firewall") === true && action !== "delete",
  );
  if (rival === undefined || !isOurs) return undefined;
  return new HostkitError("firewall_taken", {
    what: `${rival} is switched on`,
    where: plan.host,
    why: "it would block what the manifest opens; nothing was changed",
    next: `on the host: ${rivalFirewalls[rival]}   or write \`firewall: none\` in the manifest`,
  });
}

/** The paths that the plan's scripts write and read in folders of whomever; where a last link would be followed, with a slash. */
export function listPathNeeds(plan: Plan): FactNeed[] {
  const paths = plan.changes
    .flatMap((change) => change.steps)
    .flatMap((step) => {
      if (step.type === "put") return [step.path];
      if (step.type !== "script") return [];
      return [...step.script.text.matchAll(callPattern)].map(
        ([, verb, path]) => `${path}${verb === "remove" || verb === "put" ? "" : "/"}`,
      );
    });
  return [...new Set(paths)].map((path) => need(plantedFacts, path));
}

/** Calls of templates/run/paths.sh. */
const callPattern =
  /\bhk_(put|rewrite|read|folder|remove)(?:_tree|_folder)? (?:[a-z][\w.-]* )?'?(\/[^\s']+)'?/g;

/** The run would end at the first such link: paths.sh refuses to follow it. */
function checkPlanted(plan: Plan, facts: Facts): HostkitError | undefined {
  const found = new Map([...facts.all(plantedFacts).values()].map((one) => [one.link, one.by]));
  const [first] = found.keys();
  if (first === undefined) return undefined;
  const said = [...found].map(
    ([link, by]) => `${link} is a link that ${by} can change; hostkit does not follow it`,
  );
  return new HostkitError("run_failed", {
    what: said[0] ?? "",
    where: plan.host,
    why: "what root writes there would land wherever the link is pointed; nothing was changed",
    ...(said.length > 1 && { details: said.slice(1) }),
    next: `on the host: ls -l ${first}   then put the file or folder itself there, or give its folder to root`,
  });
}
