import { joinScripts, sh } from "../../shell/script.ts";
import { need, type FactNeed, type FactSource } from "../fact.ts";
import { secretFileFacts, type SecretFileFact } from "./secret-file.ts";
import { secretKeyPath } from "./secret-hashes.ts";

/**
 * Files of secrets that hold NUL bytes, which a shell cannot keep: hashed like the others, by programs that can. Rare, so that it may
 * cost three of them a file.
 */
export const secretBytesFacts: FactSource<SecretFileFact> = {
  name: "secret-bytes",
  script: (paths) =>
    joinScripts([
      sh`[ -s ${secretKeyPath} ] || exit 0
echo "key $(cat ${secretKeyPath})"`,
      ...paths.map(
        (path) => sh`if [ -f ${path} ]; then
  echo "$({ cat ${secretKeyPath} ${path}; echo; } | sha256sum | cut -c 1-64)" ${path}
fi`,
      ),
    ]),
  parse(stdout) {
    const found = new Map<string, SecretFileFact>();
    const key = /^key (\S+)$/m.exec(stdout)?.[1];
    for (const [, hash = "", path = ""] of stdout.matchAll(/^([0-9a-f]{64}) (\/.+)$/gm))
      if (key !== undefined) found.set(path, { key, hash });
    return found;
  },
};

/** Who can tell whether a file on the host holds this secret. */
export function secretSourceOf(secret: string | Uint8Array): FactSource<SecretFileFact> {
  const hasNul = typeof secret === "string" ? secret.includes("\0") : secret.includes(0);
  return hasNul ? secretBytesFacts : secretFileFacts;
}

/** The questions for that; the first one also keeps the file's plain hash on the host. */
export function secretNeeds(path: string, secret: string | Uint8Array): readonly FactNeed[] {
  const source = secretSourceOf(secret);
  return [need(secretFileFacts, path), ...(source === secretFileFacts ? [] : [need(source, path)])];
}
