import type { FactSource } from "../fact.ts";
import { fileGroup } from "./file.ts";

export interface SecretFileFact {
  /** The host's comparison key; never leaves memory. */
  readonly key: string;
  /** SHA-256 of key, content, and a newline, hex; see `hashSecret`. */
  readonly hash: string;
}

/** Files whose content is secret, by path: `hashSecrets` tells how they are hashed. */
export const secretFileFacts: FactSource<SecretFileFact> = {
  name: "secret-file",
  group: fileGroup,
  parse(stdout) {
    const found = new Map<string, SecretFileFact>();
    const paths = new Map<string, string>();
    let key: string | undefined;
    for (const line of stdout.split("\n")) {
      key ??= /^key (\S+)$/.exec(line)?.[1];
      if (line === "forget") paths.clear();
      const [, descriptor, path] = /^as (\d) (.+)$/.exec(line) ?? [];
      if (descriptor !== undefined && path !== undefined) paths.set(descriptor, path);
      const [, hash, hashed] = /^([0-9a-f]{64}) [ *]\/dev\/fd\/(\d)$/.exec(line) ?? [];
      const from = paths.get(hashed ?? "");
      if (hash !== undefined && from !== undefined && key !== undefined)
        found.set(from, { key, hash });
    }
    return found;
  },
};
