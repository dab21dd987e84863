import type { Pointer } from "./problems.ts";
import type { WrittenManifest } from "./schema.ts";
import type { WrittenCommon } from "./sections/services.ts";
import { serviceSections } from "./services.ts";

export interface Use {
  readonly name: string;
  readonly pointer: Pointer;
}

/** Every place that names a secret, in the order of the sections. */
export function secretUses(written: WrittenManifest): Use[] {
  const uses: Use[] = [];
  for (const section of serviceSections) {
    const entries: Record<string, WrittenCommon> = written[section] ?? {};
    for (const [service, entry] of Object.entries(entries)) {
      entry.secrets?.forEach((name, index) =>
        uses.push({ name, pointer: [section, service, "secrets", index] }),
      );
    }
  }
  for (const [repository, entry] of Object.entries(written.backups?.repositories ?? {})) {
    const pointer = (key: string) => ["backups", "repositories", repository, key];
    if (entry.passphrase !== undefined)
      uses.push({ name: entry.passphrase, pointer: pointer("passphrase") });
    if ("bucket" in entry) {
      uses.push({ name: entry.access_key, pointer: pointer("access_key") });
      uses.push({ name: entry.secret_key, pointer: pointer("secret_key") });
    }
  }
  return uses;
}
