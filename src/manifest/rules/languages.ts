import { caddyToken, importedValue } from "../../writers/caddyfile.ts";
import { writeDockerMount } from "../../writers/docker-mount.ts";
import { pgbackrestPath } from "../../writers/pgbackrest.ts";
import { postgresSettingName } from "../../writers/postgres-conf.ts";
import { systemdCalendar } from "../../writers/systemd-calendar.ts";
import { refuseProgram, systemdListPath } from "../../writers/systemd.ts";
import { reasonToRefuse } from "../../writers/written.ts";
import type { Finding, Pointer } from "../problems.ts";
import { parseVolume } from "../sections/normalize-services.ts";
import { pathOf } from "../sections/repositories.ts";
import { complain, type Rule, type RuleInput } from "./rule.ts";

/** Values that the language they are written in cannot hold: what `src/writers` would refuse later. */
export const languageRules: readonly Rule[] = [
  program,
  mountPaths,
  schedules,
  repositoryPaths,
  settingNames,
  headerValues,
];

function refuse(pointer: Pointer, write: () => unknown, at?: "key"): Finding[] {
  const reason = reasonToRefuse(write);
  return reason === undefined ? [] : [complain(pointer, reason, at === undefined ? {} : { at })];
}

function program({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry, runtime }) => {
    const key = entry.exec === undefined ? "command" : "exec";
    const words = entry[key];
    if (runtime !== "native" || words === undefined) return [];
    const reason = refuseProgram(words[0] ?? "");
    return reason === undefined ? [] : [complain([...pointer, key], reason)];
  });
}

function mountPaths({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry }) =>
    (entry.volumes ?? []).flatMap((written, index) => {
      const volume = parseVolume(written);
      const source = volume.kind === "bind" ? volume.source : volume.name;
      return refuse([...pointer, "volumes", index], () =>
        writeDockerMount({ type: "bind", source, target: volume.path, options: [] }),
      );
    }),
  );
}

function schedules({ written }: RuleInput): Finding[] {
  const { postgres, files, drill } = written.backups ?? {};
  const all: (readonly [Pointer, string | undefined])[] = [
    [["backups", "postgres", "full"], postgres?.full],
    [["backups", "postgres", "differential"], postgres?.differential],
    [["backups", "postgres", "incremental"], postgres?.incremental],
    [["backups", "files", "schedule"], files?.schedule],
    [["backups", "drill"], drill === "none" ? undefined : drill],
  ];
  return all.flatMap(([pointer, schedule]) =>
    schedule === undefined ? [] : refuse(pointer, () => systemdCalendar(schedule)),
  );
}

function headerValues({ written }: RuleInput): Finding[] {
  return Object.entries(written.proxy?.sites ?? {}).flatMap(([site, { headers }]) =>
    Object.entries(headers ?? {}).flatMap(([name, value]) =>
      refuse(["proxy", "sites", site, "headers", name], () => caddyToken(value, importedValue)),
    ),
  );
}

function repositoryPaths({ written }: RuleInput): Finding[] {
  const { postgres, repositories } = written.backups ?? {};
  return Object.entries(repositories ?? {}).flatMap(([name, entry]) => {
    const path = pathOf(entry);
    if (path === undefined) return [];
    const pointer = ["backups", "repositories", name, "path"];
    const isPostgres = postgres !== undefined && (postgres.repositories?.includes(name) ?? true);
    return refuse(pointer, () => {
      systemdListPath(path);
      if (isPostgres) pgbackrestPath(path);
    });
  });
}

function settingNames({ written }: RuleInput): Finding[] {
  return Object.keys(written.database?.settings ?? {}).flatMap((name) =>
    refuse(["database", "settings", name], () => postgresSettingName(name), "key"),
  );
}
