import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export interface UserFact {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** All groups by name, primary first; one without a name is its number. */
  readonly groups: readonly string[];
}

/** awk(1): the lines of those `users` in passwd(5), and of all groups in group(5) that they are in. Exits with 1 when some are missing. */
const accountsProgram = `BEGIN { FS = ":"; missing = split(ENVIRON["users"], names, " ") }
FILENAME == "/etc/passwd" {
  if (index(ENVIRON["users"], " " $1 " ") && !($1 in known)) { known[$1]; primary[$4]; missing--; print }
  next
}
{
  wanted = ($3 in primary)
  count = split($4, members, ",")
  for (i = 1; i <= count; i++) if (members[i] in known) wanted = 1
  if (wanted) print
}
END { exit missing > 0 }`;

/**
 * System users by name: passwd(5) line and groups. hostkit's own are in this host's files, which one program reads; whoever is not is
 * looked up as the name service has it (a directory's users), by two more.
 */
export const userFacts: FactSource<UserFact> = {
  name: "user",
  // Each of the last two leaves out whom it does not know.
  script: (
    names,
  ) => sh`users=${` ${names.join(" ")} `} awk ${accountsProgram} /etc/passwd /etc/group || {
  getent passwd ${names}
  id ${names}
}`,
  parse(stdout) {
    const users = new Map<string, UserFact>();
    const members = new Map<string, { gid: number; names: readonly string[] }>();
    const answers = new Map<string, readonly string[]>();
    for (const line of stdout.split("\n")) {
      // `uid=990(a) gid=990(a) groups=990(a),991(docker)`; a group without a name is only a number.
      const [, known, list] = /^uid=\d+\(([^)]*)\) gid=\S+ groups=(\S+)/.exec(line) ?? [];
      if (known !== undefined && list !== undefined) {
        const groups = list.split(",").map((group) => /\((.*)\)$/.exec(group)?.[1] ?? group);
        answers.set(known, groups);
        continue;
      }
      const fields = line.split(":");
      const [name = "", , id, gid = "", , home = "", shell = ""] = fields;
      if (fields.length === 7)
        users.set(name, { uid: Number(id), gid: Number(gid), home, shell, groups: [] });
      if (fields.length === 4) members.set(name, { gid: Number(id), names: gid.split(",") });
    }
    for (const [name, user] of users) {
      const primary = [...members].find(([, { gid }]) => gid === user.gid)?.[0];
      const others = [...members].filter(
        ([group, { names }]) => names.includes(name) && group !== primary,
      );
      const groups = [primary ?? String(user.gid), ...others.map(([group]) => group)];
      users.set(name, { ...user, groups: answers.get(name) ?? groups });
    }
    return users;
  },
};
