import { hashText } from "../../facts/files/hash.ts";
import type { Manifest, ServiceBase } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { directory } from "../../resources/files/directory.ts";
import { file } from "../../resources/files/file.ts";
import { postgresPassword } from "../../resources/postgres/password.ts";
import { idOf } from "../../resources/resource.ts";
import type { Resource, ResourceId } from "../../resources/resource.ts";
import { unit, unitId } from "../../resources/units/unit.ts";
import { packagesId } from "../inputs.ts";
import type { StackInputs } from "../inputs.ts";
import { databasePortOf } from "./database-place.ts";
import { configDirectoryOf, stackDirectoryOf, userOf } from "../names.ts";
import { renderTemplate } from "../render-template.ts";
import { systemdNames, systemdText } from "../../writers/systemd.ts";
import { postgresRoleId } from "../../resources/postgres/role.ts";
import { userId } from "../../resources/system/user.ts";

/**
 * Where containers that cannot use the socket find PostgreSQL: an address of the host's loopback interface, which every
 * bridge leads to. It is there before Docker is, so that nothing races at boot; PostgreSQL itself stays on loopback.
 */
export const databaseAddress = "169.254.54.32";

/** The files with the password of a service that logs in by TCP. */
export function passwordFilesOf(
  stack: string,
  service: Pick<ServiceBase, "name">,
): { readonly bare: string; readonly pgpass: string } {
  const base = `${configDirectoryOf(stack)}/database/${service.name}`;
  return { bare: `${base}.password`, pgpass: `${base}.pgpass` };
}

/** The unit that leads from the bridges to PostgreSQL. */
function bridgeUnitOf(stack: string): string {
  return `${stack}-database-tcp.socket`;
}

/** What a service that logs in by TCP from a container has to wait for besides the database. */
export function bridgeIdOf(stack: string): ResourceId {
  return unitId(bridgeUnitOf(stack));
}

/** The services that log in by TCP. */
export function listTcpUsers(
  manifest: Manifest,
): { service: ServiceBase; access: NonNullable<ServiceBase["database"]> }[] {
  return servicesOf(manifest).flatMap((service) =>
    service.database?.tcp === true ? [{ service, access: service.database }] : [],
  );
}

/**
 * Passwords, and the way from the bridges to PostgreSQL. Nothing where every service uses the socket.
 * @param running the resource after which the server runs
 */
export function resolveDatabaseTcp(
  inputs: StackInputs,
  major: number,
  running: ResourceId,
): Resource[] {
  const { manifest, system, templates } = inputs;
  const { stack } = manifest;
  const users = listTcpUsers(manifest);
  if (users.length === 0) return [];
  const folder = directory(`${configDirectoryOf(stack)}/database`, {
    mode: "0711",
    after: [packagesId],
  });
  const passwords = resolvePasswords(manifest, major, [idOf(folder), running]);
  if (!users.some(({ service }) => service.runtime === "container")) return [folder, ...passwords];
  const name = `${stack}-database-tcp`;
  const data = {
    stack: systemdText(stack),
    address: systemdNames(databaseAddress),
    port: systemdNames(databasePortOf(manifest, system)),
    name: systemdNames(name),
  };
  const render = (suffix: string) =>
    renderTemplate(templates, `etc/systemd/system/database-tcp.${suffix}.ejs`, data);
  const socketFile = file(`/etc/systemd/system/${name}.socket`, render("socket"));
  const serviceFile = file(`/etc/systemd/system/${name}.service`, render("service"));
  const socket = unit(bridgeUnitOf(stack), stackDirectoryOf(stack), {
    watches: [idOf(socketFile), idOf(serviceFile)],
    inputs: hashText(render("socket") + render("service")),
    // The same port on another address: a cluster that is made later would take the next one.
    after: [running],
  });
  return [folder, ...passwords, socketFile, serviceFile, socket];
}

/** A password for each role that is reached over TCP, in files of the services that use it. */
function resolvePasswords(
  manifest: Manifest,
  major: number,
  after: readonly ResourceId[],
): Resource[] {
  const users = listTcpUsers(manifest);
  const roles = [...new Set(users.map(({ access }) => access.role))].sort();
  return roles.map((role) => {
    const services = users.filter(({ access }) => access.role === role);
    return postgresPassword(role, {
      major,
      files: services.flatMap(({ service }) => {
        const owner = userOf(manifest, service);
        const { bare, pgpass } = passwordFilesOf(manifest.stack, service);
        return [
          { path: bare, owner, format: "bare" as const },
          { path: pgpass, owner, format: "pgpass" as const },
        ];
      }),
      after: [
        ...after,
        postgresRoleId(role),
        ...services.map(({ service }) => userId(userOf(manifest, service))),
      ],
    });
  });
}
