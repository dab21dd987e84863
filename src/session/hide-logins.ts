import type { Registry } from "../manifest/registry.ts";
import type { Redactor } from "../report/redact.ts";
import { basicCredentials } from "../writers/docker-config.ts";

/** Passwords of registries, as they are and as HTTP and Docker write them, are in nothing that is printed or logged from here on. */
export function hideLogins(
  redactor: Redactor,
  registries: readonly Registry[],
  secrets: ReadonlyMap<string, string | Uint8Array>,
): void {
  for (const { login } of registries) {
    const password = login === undefined ? undefined : secrets.get(login.password);
    if (login === undefined || password === undefined) continue;
    redactor.add(password);
    redactor.add(basicCredentials({ user: login.user, password }));
  }
}
