import { z } from "zod";
import type { HostSettings } from "../manifest.ts";
import { sortKeys } from "../order.ts";
import {
  choice,
  flag,
  hostNamePattern,
  mapping,
  named,
  scalarText,
  size,
  text,
} from "../values.ts";

const defaultJournalBytes = 1024 ** 3;

export const hostSectionSchema = mapping({
  updates: choice(["security", "all", "none"]).optional().meta({
    description:
      "Unattended upgrades: only security fixes, everything, or none. Default: security.",
  }),
  timezone: text(
    "a time zone such as UTC or Europe/Berlin",
    /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/,
  )
    .optional()
    .meta({
      description: "Time zone of the host. Default: left as it is.",
      examples: ["UTC", "Europe/Berlin"],
    }),
  hostname: text("a host name", hostNamePattern)
    .optional()
    .meta({ description: "Name the host gives itself. Default: left as it is." }),
  swap: z
    .union([choice(["none"]), size()])
    .optional()
    .meta({
      description: "Size of a swap file, or none. Default: left as it is.",
      examples: ["2G"],
    }),
  sysctl: named(
    text("the name of a kernel setting", /^[a-z][a-z0-9_-]*(?:[./][A-Za-z0-9_-]+)+$/),
    scalarText(),
    "kernel settings to values",
  )
    .optional()
    .meta({
      description: "Kernel settings beside hostkit's own.",
      examples: [{ "vm.swappiness": 10 }],
    }),
  time_sync: flag()
    .optional()
    .meta({ description: "Whether the clock is kept right over the network. Default: true." }),
  journal: mapping({
    max: size()
      .optional()
      .meta({ description: "Most disk space of the system journal. Default: 1G." }),
  })
    .optional()
    .meta({ description: "Limits of the system journal.", examples: [{ max: "500M" }] }),
  ssh: mapping({
    harden: flag().optional().meta({
      description:
        "true: keys only, no root password, current algorithms, as a drop-in that is taken back by itself when you can no longer log in. false: sshd stays as it is. Default: true.",
    }),
  })
    .optional()
    .meta({ description: "The SSH server." }),
}).meta({
  description:
    "The host itself: updates, clock, kernel, journal, SSH. Without the section the defaults hold.",
  examples: [{ updates: "security", timezone: "UTC", swap: "2G", sysctl: { "vm.swappiness": 10 } }],
});

export type WrittenHost = z.output<typeof hostSectionSchema>;

export function normalizeHostSettings(written: WrittenHost | undefined): HostSettings {
  return {
    said: (["journal", "ssh", "time_sync", "updates"] as const).filter(
      (key) => written?.[key] !== undefined,
    ),
    updates: written?.updates ?? "security",
    ...(written?.timezone === undefined ? {} : { timezone: written.timezone }),
    ...(written?.hostname === undefined ? {} : { hostname: written.hostname.toLowerCase() }),
    ...(written?.swap === undefined
      ? {}
      : { swapBytes: written.swap === "none" ? 0 : written.swap }),
    sysctl: sortKeys(written?.sysctl ?? {}),
    timeSync: written?.time_sync ?? true,
    journal: { maxBytes: written?.journal?.max ?? defaultJournalBytes },
    ssh: { harden: written?.ssh?.harden ?? true },
  };
}
