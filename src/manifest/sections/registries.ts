import type { z } from "zod";
import { canonicalRegistry } from "../../writers/image-reference.ts";
import type { Registry } from "../registry.ts";
import { sortNamed } from "../order.ts";
import { control, localPath, mapping, named, text, variableName } from "../values.ts";

const registry = mapping({
  user: text('a user name without ":"', new RegExp(`^[^${control}:]{1,255}$`))
    .optional()
    .meta({
      description: "Who logs in. Default: nobody, the registry is asked without a login.",
      examples: ["deploy"],
    }),
  password: variableName()
    .optional()
    .meta({
      description:
        "Name of the secret that holds the password or token, see `secrets`. A token that may only read is enough.",
      examples: ["GHCR_TOKEN"],
    }),
  ca: localPath("the path of a PEM file")
    .optional()
    .meta({
      description:
        "PEM file on this machine with the certificate of the authority that signed the registry's own. Default: the authorities that the host knows.",
      examples: ["certs/registry-ca.pem"],
    }),
});

export const registriesSectionSchema = named(
  text("a registry, HOST or HOST:PORT", new RegExp(`^[^${control}]{1,300}$`)),
  registry,
  "registries to {user, password, ca}",
).meta({
  description:
    "Registries that want a login, or whose certificate no public authority signed, by the name that stands in `image`: `ghcr.io`, `registry.example.org:5000`; Docker's Hub is `docker.io`. On the host only root can read the passwords, and only pulls get them.",
  examples: [
    {
      "ghcr.io": { user: "example-bot", password: "GHCR_TOKEN" },
      "registry.example.org:5000": { ca: "certs/registry-ca.pem" },
    },
  ],
});

export type WrittenRegistries = z.output<typeof registriesSectionSchema>;

export function normalizeRegistries(written: WrittenRegistries): Registry[] {
  return sortNamed(
    Object.entries(written).map(([name, { user, password, ca }]): Registry => ({
      name: canonicalRegistry(name),
      written: name,
      ...(user === undefined || password === undefined ? {} : { login: { user, password } }),
      ...(ca === undefined ? {} : { ca }),
    })),
  );
}
