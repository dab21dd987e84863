import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

/**
 * Whether apt can bring a package: "known" to it, "unknown" where a source is written down that might have it and was not read yet,
 * else "none". The subject is a package of PostgreSQL's.
 */
export const candidateFacts: FactSource<"known" | "unknown" | "none"> = {
  name: "candidate",
  script: (
    names,
  ) => sh`if grep -rqisE 'postgresql|pgdg' /etc/apt/sources.list /etc/apt/sources.list.d; then echo mentioned; fi
for p in ${names}; do
  echo "package $p"
  apt-cache policy "$p"
done`,
  parse(stdout, names) {
    const isMentioned = stdout.startsWith("mentioned");
    const parts = new Map(
      stdout
        .split(/^package /m)
        .slice(1)
        .map((part) => [part.slice(0, part.indexOf("\n")), part] as const),
    );
    return new Map(
      names.map((name) => {
        const isKnown = /^ {2}Candidate: (?!\(none\))/m.test(parts.get(name) ?? "");
        return [name, isKnown ? "known" : isMentioned ? "unknown" : "none"] as const;
      }),
    );
  },
};
