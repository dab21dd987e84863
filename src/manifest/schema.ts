/** The manifest as users write it: one zod source for parsing, the editor schema and the reference pages. */
import type { z } from "zod";
import { backupsSectionSchema } from "./sections/backups.ts";
import { databaseSectionSchema } from "./sections/database.ts";
import { firewallSectionSchema } from "./sections/firewall.ts";
import { hostSectionSchema } from "./sections/host.ts";
import { hostsSchema } from "./sections/hosts.ts";
import { imagesSectionSchema } from "./sections/images.ts";
import { proxySectionSchema } from "./sections/proxy.ts";
import { registriesSectionSchema } from "./sections/registries.ts";
import { secretsSectionSchema } from "./sections/secrets.ts";
import { servicesSectionSchema, webSectionSchema } from "./sections/services.ts";
import { commandWords, label, mapping } from "./values.ts";

export type * from "./manifest.ts";

export const manifestSchema = mapping({
  stack: label().meta({
    description:
      'Name of the stack: 1 to 20 lower case letters, digits and single "-". Units, users and folders on the host begin with it; it cannot be changed later.',
    examples: ["dxcluster"],
  }),
  build_command: commandWords()
    .optional()
    .meta({
      description:
        "What `hostkit build` starts on this machine, in the manifest's folder: it makes the packages, archives and build contexts that the manifest names. Default: nothing has to be made here.",
      examples: ["./build-packages"],
    }),
  hosts: hostsSchema,
  database: databaseSectionSchema.optional(),
  services: servicesSectionSchema.optional(),
  web: webSectionSchema.optional(),
  images: imagesSectionSchema.optional(),
  registries: registriesSectionSchema.optional(),
  proxy: proxySectionSchema.optional(),
  backups: backupsSectionSchema.optional(),
  firewall: firewallSectionSchema.optional(),
  host: hostSectionSchema.optional(),
  secrets: secretsSectionSchema.optional(),
});

/** A valid manifest with its values read (durations, sizes, ports), before defaults and rules. */
export type WrittenManifest = z.output<typeof manifestSchema>;
