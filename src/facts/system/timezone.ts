import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/** Time zones by name: whether the host's local time is that zone (by its rules, so that UTC and Etc/UTC are one). */
export const timezoneFacts: FactSource<boolean> = {
  name: "timezone",
  script: (zones) =>
    sh`for z in ${zones}; do cmp -s "/usr/share/zoneinfo/$z" /etc/localtime && echo "is $z"; done`,
  parse(stdout, zones) {
    const lines = new Set(stdout.split("\n"));
    return new Map(zones.map((zone) => [zone, lines.has(`is ${zone}`)]));
  },
};
