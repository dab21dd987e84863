import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** Where the kernel shows a setting: dots and slashes change places, as sysctl(8) has it. */
export function sysctlPath(key: string): string {
  const swapped = [...key].map((character) =>
    character === "." ? "/" : character === "/" ? "." : character,
  );
  return `/proc/sys/${swapped.join("")}`;
}

/** Runs of white space count as one space: the kernel prints tabs where people write spaces. */
export function normalizeSysctl(value: string): string {
  return value.trim().replaceAll(/\s+/g, " ");
}

/** Kernel settings by key (`net.ipv4.tcp_syncookies`): the live value. Absent where this kernel has no such key. */
export const sysctlFacts: FactSource<string> = {
  name: "sysctl",
  script: (keys) =>
    sh`for f in ${keys.map(sysctlPath)}; do [ -r "$f" ] && read -r v <"$f" && printf ${"%s=%s\\n"} "$f" "$v"; done`,
  parse(stdout, keys) {
    const keyOf = new Map(keys.map((key) => [sysctlPath(key), key]));
    const found = new Map<string, string>();
    for (const line of stdout.split("\n")) {
      const at = line.indexOf("=");
      const key = keyOf.get(line.slice(0, at));
      if (at > 0 && key !== undefined) found.set(key, normalizeSysctl(line.slice(at + 1)));
    }
    return found;
  },
};
