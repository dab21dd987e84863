import { z } from "zod";
import type { VolumeQuiesce } from "../manifest.ts";
import { choice, closest, commandWords, label, mapping, text, variableName } from "../values.ts";

const volumeName = () => text("the name of a volume", /^[a-z0-9][a-z0-9_.-]{0,62}$/, "name");

const commands = mapping({
  command: commandWords().meta({
    description:
      "What is started in the running container before its volume is read, without a shell. It ends when the volume's files are consistent.",
    examples: [["/app/bin/dump", "--to", "/data/dump.sql"]],
  }),
  after: commandWords()
    .optional()
    .meta({
      description:
        "What is started as soon as the volume was copied, however that went: nothing is written between both. Default: nothing, and the volume is read as `command` left it.",
      examples: [["/app/bin/writes", "on"]],
    }),
});

/** An entry of `backups.files.volumes`. */
export const volumeSchema = z.union([
  volumeName(),
  closest(
    mapping({
      name: volumeName().meta({ description: "Its name in the `volumes` of a service." }),
      quiesce: z
        .union([choice(["stop", "sqlite", "redis"]), commands])
        .optional()
        .meta({
          title: "stop, sqlite, redis or mapping",
          description:
            "How it is copied consistently while its service goes on. stop: the services that write to it are stopped for the copy. sqlite: each SQLite database in it by SQLite's own backup. redis: Redis or Valkey saves first (BGSAVE). {command, after}: commands in its container, before and after. Default: it is read as it is at that moment.",
        }),
      service: label().optional().meta({
        description:
          "Whose container is asked (redis, command). Default: the only service that mounts it.",
      }),
      password: variableName()
        .optional()
        .meta({
          description:
            "Name of the secret, or of the variable, that holds the password of Redis or Valkey in that service. Default: no password.",
          examples: ["CACHE_PASSWORD"],
        }),
    }),
  ),
]);

export type WrittenVolume = z.output<typeof volumeSchema>;

/** An entry's name, in either form. */
export function nameOfVolume(written: WrittenVolume): string {
  return typeof written === "string" ? written : written.name;
}

/** What the entries say of how they are copied, by name. */
export function normalizeQuiesce(written: readonly WrittenVolume[]): VolumeQuiesce[] {
  const found = new Map<string, VolumeQuiesce>();
  for (const entry of written) {
    if (typeof entry === "string" || entry.quiesce === undefined) continue;
    const { name: volume, quiesce, service, password } = entry;
    const asked = service === undefined ? {} : { service };
    if (typeof quiesce === "object") {
      const { command, after } = quiesce;
      const further = after === undefined ? {} : { after };
      found.set(volume, { volume, how: "command", ...asked, command, ...further });
    } else if (quiesce === "redis") {
      const login = password === undefined ? {} : { password };
      found.set(volume, { volume, how: quiesce, ...asked, ...login });
    } else found.set(volume, { volume, how: quiesce });
  }
  return [...found.values()].toSorted((a, b) => (a.volume < b.volume ? -1 : 1));
}
