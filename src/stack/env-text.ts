import { parse } from "dotenv";
import { HostkitError } from "../errors.ts";
import type { ServiceBase } from "../manifest/schema.ts";
import type { StackInputs } from "./inputs.ts";
import { databaseEnvironment } from "./database-access.ts";

/** The variables a service starts with: what hostkit tells it, then its env file, then `env`; the later wins. */
export function collectEnvironment(
  inputs: StackInputs,
  service: ServiceBase,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const fromFile =
    service.envFile === undefined ? {} : parse(inputs.texts.get(service.envFile) ?? "");
  const all = {
    ...databaseEnvironment(inputs.manifest, service),
    ...given,
    ...fromFile,
    ...service.env,
  };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** systemd.exec(5) `EnvironmentFile=`: values in double quotes, in which `\ " $ \`` are escaped. */
export function renderSystemdEnvironment(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `${name}="${value.replace(/[\\"$`]/g, "\\$&")}"\n`)
    .join("");
}

/**
 * docker-run(1) `--env-file`: `NAME=value`, the value as it stands to the end of the line.
 * @throws HostkitError for a value of several lines, which that format cannot hold
 */
export function renderDockerEnvironment(
  service: string,
  environment: Readonly<Record<string, string>>,
): string {
  return Object.entries(environment)
    .map(([name, value]) => {
      if (/[\n\r]/.test(value)) {
        throw new HostkitError("manifest_invalid", {
          what: `the variable ${name} of the container ${service} has more than one line`,
          why: "Docker's environment files hold one line a variable",
          next: `make it a secret: it then arrives as the file /run/secrets/${name}, and ${name}_FILE says where`,
        });
      }
      return `${name}=${value}\n`;
    })
    .join("");
}
