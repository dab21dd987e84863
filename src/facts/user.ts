import { sh } from "../shell/script.ts";
import type { FactSource } from "./fact.ts";

export interface UserFact {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** All groups by name, primary first. */
  readonly groups: readonly string[];
}

/** System users by name: passwd(5) line and groups. */
export const userFacts: FactSource<UserFact> = {
  name: "user",
  script: (names) =>
    sh`for u in ${names}; do p=$(getent passwd "$u") && echo "$p:$(id -Gn "$u")"; done`,
  parse(stdout) {
    const found = new Map<string, UserFact>();
    for (const line of stdout.split("\n")) {
      const [name, , uid, gid, , home, shell, groups] = line.split(":");
      if (name === undefined || shell === undefined) continue;
      found.set(name, {
        uid: Number(uid),
        gid: Number(gid),
        home: home ?? "",
        shell,
        groups: (groups ?? "").split(" ").filter((group) => group !== ""),
      });
    }
    return found;
  },
};

/** Groups by name: gid. */
export const groupFacts: FactSource<number> = {
  name: "group",
  script: (names) => sh`getent group ${names}`,
  parse(stdout) {
    const found = new Map<string, number>();
    for (const line of stdout.split("\n")) {
      const [name, , gid] = line.split(":");
      if (name !== undefined && gid !== undefined) found.set(name, Number(gid));
    }
    return found;
  },
};
