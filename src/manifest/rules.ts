import type { Finding } from "./problems.ts";
import { backupRules } from "./rules/backups.ts";
import { databaseRules } from "./rules/database.ts";
import { firewallRules } from "./rules/firewall.ts";
import { hostRules } from "./rules/hosts.ts";
import { imageRules } from "./rules/images.ts";
import { languageRules } from "./rules/languages.ts";
import { nameRules } from "./rules/names.ts";
import { valueRules } from "./rules/plain-values.ts";
import { portRules } from "./rules/ports.ts";
import { proxyRules } from "./rules/proxy.ts";
import { reachRules } from "./rules/reach.ts";
import { registryRules } from "./rules/registries.ts";
import { type Rule, ruleInput } from "./rules/rule.ts";
import { serviceRules } from "./rules/services.ts";
import type { WrittenManifest } from "./schema.ts";

const rules: readonly Rule[] = [
  ...nameRules,
  ...hostRules,
  ...databaseRules,
  ...serviceRules,
  ...portRules,
  ...proxyRules,
  ...backupRules,
  ...firewallRules,
  ...valueRules,
  ...reachRules,
  ...languageRules,
  ...registryRules,
  ...imageRules,
];

/**
 * What no single value shows: references, collisions, contradictions.
 * `raw` is the YAML as plain data; names that exist there count as declared even if their entry is broken.
 */
export function checkRules(written: WrittenManifest, raw: unknown): Finding[] {
  const input = ruleInput(written, raw);
  return rules.flatMap((rule) => rule(input));
}
