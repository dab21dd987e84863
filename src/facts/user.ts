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
  // Each of both leaves out whom it does not know.
  script: (names) => sh`getent passwd ${names}
id ${names}`,
  parse(stdout) {
    const found = new Map<string, UserFact>();
    for (const line of stdout.split("\n")) {
      // `uid=990(a) gid=990(a) groups=990(a),991(docker)`; a group without a name is only a number.
      const [, known, list] = /^uid=\d+\(([^)]*)\) gid=\S+ groups=(\S+)/.exec(line) ?? [];
      const user = known === undefined ? undefined : found.get(known);
      if (known !== undefined && user !== undefined) {
        const groups = (list ?? "")
          .split(",")
          .map((group) => /\((.*)\)$/.exec(group)?.[1] ?? group);
        found.set(known, { ...user, groups });
        continue;
      }
      const [name, , uid, gid, , home, shell] = line.split(":");
      if (name === undefined || shell === undefined) continue;
      found.set(name, { uid: Number(uid), gid: Number(gid), home: home ?? "", shell, groups: [] });
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
