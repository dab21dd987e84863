import type { AnyService, Manifest, ServiceBase } from "../../manifest/schema.ts";
import type { Pointer } from "../../manifest/problems.ts";
import { servicesOf } from "../../manifest/services.ts";
import { readDotenv } from "../../writers/dotenv.ts";
import { refuseDockerVariable, writeSystemdVariable } from "../../writers/environment.ts";
import { reasonToRefuse } from "../../writers/written.ts";

/** The variables that the manifest gives a service: its env file, then `env`; the later wins. */
export function readEnvironment(
  texts: ReadonlyMap<string, string>,
  service: ServiceBase,
): Record<string, string> {
  const { variables } = readEnvFile(texts, service);
  return {
    ...Object.fromEntries(variables.map(({ name, value }) => [name, value])),
    ...service.env,
  };
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
