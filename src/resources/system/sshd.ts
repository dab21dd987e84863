import { need } from "../../facts/fact.ts";
import type { Facts } from "../../facts/fact.ts";
import { fileFacts, textFacts } from "../../facts/files/file.ts";
import { hashText } from "../../facts/files/hash.ts";
import { sshdFacts, sshdSubject } from "../../facts/system/sshd.ts";
import { hostStampPath, readHostStamp } from "../../facts/files/stamp.ts";
import { sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { diffLines } from "../files/difference.ts";
import { findDifferences, putStep } from "../files/file.ts";
import { isBackScript, putBackScript } from "../guard.ts";
import { restoreScript } from "../files/preimage.ts";
import { claimSame, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Guard, Resource, ResourceKind } from "../resource.ts";
import { writeHostStampScript } from "../units/unit.ts";

/**
 * A drop-in of sshd's configuration, and sshd running with it. Guarded: a host that nobody can reach any more undoes it.
 * In sshd_config(5) the first value wins, so its file name must sort before those of others (cloud-init's 50-…).
 */
export interface SshdResource extends Resource {
  readonly kind: "sshd";
  readonly path: string;
  /** `Keyword value` lines and comments. Values as `sshd -T` prints them: seconds without unit, yes/no. */
  readonly text: string;
  readonly stackDirectory: string;
  readonly guardSeconds: number;
}

/** Builds the sshd resource. */
export function sshdDropIn(
  path: string,
  text: string,
  stackDirectory: string,
  options: Partial<Pick<SshdResource, "guardSeconds" | "after" | "shared">> = {},
): SshdResource {
  return {
    kind: "sshd",
    name: path,
    path,
    text,
    stackDirectory,
    guardSeconds: options.guardSeconds ?? 30,
    ...(options.after === undefined ? {} : { after: options.after }),
    ...(options.shared === undefined ? {} : { shared: options.shared }),
  };
}

const stampName = "sshd";

/** Old names that `sshd -T` still prints. */
const printedAs: Readonly<Record<string, string>> = { "prohibit-password": "without-password" };

/** What `sshd -T` must print once the text is in effect, by keyword; it leaves some out (DebianBanner in 9.2). */
export function expectedSettings(text: string): Map<string, string> {
  const expected = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z]\w*)\s+(\S.*)$/.exec(line);
    if (match === null) continue;
    const [, key, value] = match as unknown as [string, string, string];
    expected.set(key.toLowerCase(), printedAs[value.trim()] ?? value.trim());
  }
  return expected;
}

function findOverruled(resource: SshdResource, facts: Facts): string[] {
  const fact = facts.get(sshdFacts, sshdSubject);
  if (fact === undefined) return [];
  return [...expectedSettings(resource.text)]
    .filter(([key, value]) => (fact.settings[key] ?? value).toLowerCase() !== value.toLowerCase())
    .map(([key]) => key);
}

/** The file that is hostkit's, of whichever stack. */
export const sshdPath = "/etc/ssh/sshd_config.d/10-hostkit.conf";

/** The id of such a file. */
export const sshdId = idsOf("sshd");

export const sshdKind: ResourceKind<SshdResource> = {
  kind: "sshd",
  group: "host",
  needs: (resource) => [
    need(fileFacts, resource.path),
    need(textFacts, resource.path, resource.text),
    need(sshdFacts, sshdSubject),
    need(textFacts, hostStampPath(stampName)),
  ],

  diff(resource, facts, context): Change | undefined {
    const wanted = { ...resource, content: { text: resource.text }, ...rootFile };
    const reasons = findDifferences(wanted, facts) ?? [];
    const overruled = reasons.length === 0 ? findOverruled(resource, facts) : [];
    if (overruled.length > 0) reasons.push(`not in effect: ${overruled.join(", ")}`);
    const hash = hashText(resource.text);
    if (reasons.length === 0 && readHostStamp(facts, stampName) !== hash)
      reasons.push("sshd may run with an older configuration");
    if (reasons.length === 0) return undefined;
    const before = facts.get(textFacts, resource.path) ?? "";
    const expected = [...expectedSettings(resource.text)].map(
      ([key, value]) => `${key} ${value}\n`,
    );
    return {
      id: idOf(resource),
      action: facts.get(fileFacts, resource.path) === undefined ? "create" : "update",
      because: reasons.join(", "),
      difference: diffLines(before, resource.text),
      invalidates: [hostStampPath(stampName)],
      guard: guardSshd(resource),
      steps: [
        putStep(wanted, context),
        { type: "upload", as: "expected", content: { text: expected.join("") } },
        { type: "script", title: "check sshd's configuration", script: checkScript(resource.path) },
        {
          type: "script",
          title: "reload sshd",
          script: sh`${reloadScript}
${writeHostStampScript(stampName, hash)}`,
        },
      ],
    };
  },

  claims: (resource) => [claimSame(resource, hashText(resource.text))],
  own: (resource) => ({ kind: "sshd", name: resource.name, path: resource.path }),
  removalNeeds: (owned) => [need(fileFacts, String(owned["path"]))],

  remove(owned, facts, context): Change | undefined {
    const path = String(owned["path"]);
    if (!context.isUnfinished && facts.get(fileFacts, path) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove ${path} and reload sshd`,
      sh`${restoreScript(path, context)}
rm -f ${hostStampPath(stampName)}
${makeRunDirectory}
sshd -t
${reloadScript}`,
    );
  },
};

const rootFile = { mode: "0644", owner: "root", group: "root" } as const;

/** sshd -t and -T want their privilege separation folder, which is missing where systemd holds the socket. */
const makeRunDirectory = sh`[ -d /run/sshd ] || mkdir -m 0755 /run/sshd`;

/** Where systemd holds the socket and no daemon runs, the next connection starts one with the new configuration. */
const reloadScript = sh`if systemctl is-active -q ssh.service; then systemctl reload ssh.service; fi`;

function checkScript(path: string): Script {
  return sh`${makeRunDirectory}
sshd -t
sshd -T >effective
missing=0
while IFS= read -r line; do
  grep -qi -e "^\${line%% *} " effective || continue
  if ! grep -qixF -e "$line" effective; then echo "not in effect: $line" >&2; missing=1; fi
done <expected
if [ "$missing" -ne 0 ]; then
  echo "/etc/ssh/sshd_config does not include "${path}", or a file that is read before it says otherwise:" >&2
  grep -rinE ${"^ *(include|[a-z]+authentication|permitrootlogin)"} /etc/ssh/sshd_config /etc/ssh/sshd_config.d >&2 || true
  exit 1
fi`;
}

function guardSshd(resource: SshdResource): Guard {
  const { path } = resource;
  return {
    seconds: resource.guardSeconds,
    save: sh`rm -f sshd.old
if [ -e ${path} ]; then cp -a ${path} sshd.old; fi`,
    undo: sh`${putBackScript("sshd.old", path)}
rm -f ${hostStampPath(stampName)}
${reloadScript}`,
    check: isBackScript("sshd.old", path),
  };
}
