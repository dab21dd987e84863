import { valueAt } from "../explain.ts";
import type { Finding, Pointer } from "../problems.ts";
import { complain, type Rule, type RuleInput, warn } from "./rule.ts";

export const valueRules: readonly Rule[] = [tinyMemory, tinySizes, longDurations, notFilledIn];

const mebibyte = 1024 ** 2;
/** Docker refuses less (daemon/daemon_unix.go, linuxMinMemory); a native program would not start with it either. */
const leastMemory = 6 * mebibyte;

function tinyMemory({ services, raw }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) => {
    const bytes = entry.resources?.memory;
    if (bytes === undefined || bytes >= leastMemory) return [];
    const at = [...pointer, "resources", "memory"];
    return [
      complain(at, `${countBytes(bytes)} is too little: 6M are the least`, meantSize(raw, at)),
    ];
  });
}

/** A bare number is bytes, which nobody means by `max_body: 10`. */
function tinySizes({ written, raw }: RuleInput): Finding[] {
  const sites = Object.keys(written.proxy?.sites ?? {});
  const places: readonly (readonly [Pointer, number | undefined])[] = [
    [["host", "swap"], Number(written.host?.swap)],
    [["host", "journal", "max"], written.host?.journal?.max],
    ...sites.map((name) => {
      const pointer: Pointer = ["proxy", "sites", name, "max_body"];
      return [pointer, written.proxy?.sites?.[name]?.max_body] as const;
    }),
  ];
  return places.flatMap(([pointer, bytes]) => {
    const least = pointer[0] === "host" ? mebibyte : 1024;
    if (bytes === undefined || !(bytes < least)) return [];
    return [complain(pointer, `${countBytes(bytes)} is too little`, meantSize(raw, pointer))];
  });
}

function countBytes(bytes: number): string {
  return `${bytes} byte${bytes === 1 ? "" : "s"}`;
}

/** Of a number without a unit: the same in megabytes. */
function meantSize(raw: unknown, pointer: Pointer): Partial<Finding> {
  const [, amount] = /^(\d+)$/.exec(String(valueAt(raw, pointer))) ?? [];
  return amount === undefined ? {} : { suggestion: `${amount}M` };
}

/** A bare number is seconds; 5000 is a time in milliseconds. */
function longDurations({ services, raw }: RuleInput): Finding[] {
  return services.flatMap(({ pointer }) =>
    [
      ["health", "interval"],
      ["health", "timeout"],
      ["health", "grace"],
      ["watchdog"],
      ["watch"],
      ["drain"],
      ["pre_deploy", "timeout"],
      ["post_deploy", "timeout"],
    ].flatMap((keys) => {
      const at = [...pointer, ...keys];
      const value = valueAt(raw, at);
      if (typeof value !== "number" || value < 1000) return [];
      const suggestion = `${Math.round(value / 1000)}s`;
      return [warn(at, `a number without a unit is seconds: ${value} s`, { suggestion })];
    }),
  );
}

/** `${NAME}` and its forms with a default, as shells and Compose write it. */
const reference = /\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-?+][^}]*)?\}/;

/** What somebody else fills in: a shell or the program of the command itself. */
const leftToOthers = new Set(["exec", "command", "build_command", "pre_deploy", "post_deploy"]);

/** Nothing of this machine is filled into a manifest: what looks like it arrives as it is written. */
function notFilledIn({ raw }: RuleInput): Finding[] {
  const findings: Finding[] = [];
  const visit = (value: unknown, pointer: Pointer): void => {
    if (typeof value === "string") {
      const found = reference.exec(value)?.[0];
      if (found === undefined) return;
      const isVariable = pointer.includes("env");
      const next = isVariable
        ? "a value of this machine comes by `secrets` or `env_file`"
        : "write the value itself";
      const message = `hostkit fills nothing in: ${found} arrives just as it is written here; ${next}`;
      findings.push(warn(pointer, message));
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!leftToOthers.has(key))
          visit(inner, [...pointer, Array.isArray(value) ? Number(key) : key]);
      }
    }
  };
  visit(raw, []);
  return findings;
}
