import type { AnyService, Manifest, ServiceBase } from "../../manifest/schema.ts";
import type { Pointer } from "../../manifest/problems.ts";
import { servicesOf } from "../../manifest/services.ts";
import { readDotenv } from "../../writers/dotenv.ts";
import { refuseDockerVariable, writeSystemdVariable } from "../../writers/environment.ts";
import { reasonToRefuse } from "../../writers/written.ts";
import type { StackInputs } from "../inputs.ts";
import { databaseEnvironment } from "../database/database-access.ts";

/** The variables a service starts with: what hostkit tells it, then its env file, then `env`; the later wins. */
export function collectEnvironment(
  inputs: StackInputs,
  service: ServiceBase,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const fromFile = readEnvFile(inputs.texts, service).variables;
  const all = {
    ...databaseEnvironment(inputs, service),
    ...given,
    ...Object.fromEntries(fromFile.map(({ name, value }) => [name, value])),
    ...service.env,
  };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readEnvFile(texts: ReadonlyMap<string, string>, service: ServiceBase) {
  return readDotenv(service.envFile === undefined ? "" : (texts.get(service.envFile) ?? ""));
}

/** Something wrong with a variable, in the manifest or in a line of an env file. */
export interface EnvironmentProblem {
  /** Where the manifest has the variable, or names the file. */
  readonly pointer: Pointer;
  readonly message: string;
  /** The env file as the manifest names it, and the line in it. */
  readonly file?: string;
  readonly line?: number;
}

/** Lines of env files that cannot be read, and variables that the way to their service cannot hold. Values are in no message. */
export function findEnvironmentProblems(
  manifest: Manifest,
  texts: ReadonlyMap<string, string>,
): EnvironmentProblem[] {
  return servicesOf(manifest).flatMap((service) => findProblemsOf(service, texts));
}

function findProblemsOf(
  service: AnyService,
  texts: ReadonlyMap<string, string>,
): EnvironmentProblem[] {
  const refuse = (name: string, value: string) => {
    const reason = reasonToRefuse(() =>
      service.runtime === "native"
        ? writeSystemdVariable(name, value)
        : refuseDockerVariable(name, value),
    );
    return reason === undefined ? undefined : `the variable ${name} of ${service.name}: ${reason}`;
  };
  const at = [service.section, service.name];
  const { variables, mistakes } = readEnvFile(texts, service);
  const pointer = [...at, "env_file"];
  const inFile = { pointer, file: service.envFile ?? "" };
  return [
    ...mistakes.map((mistake) => ({ ...inFile, ...mistake })),
    ...variables.flatMap(({ name, value, line }) => {
      // The manifest's own value stands in its place.
      const message = Object.hasOwn(service.env, name) ? undefined : refuse(name, value);
      return message === undefined ? [] : [{ ...inFile, message, line }];
    }),
    ...Object.entries(service.env).flatMap(([name, value]) => {
      const message = refuse(name, value);
      return message === undefined ? [] : [{ pointer: [...at, "env", name], message }];
    }),
  ];
}
