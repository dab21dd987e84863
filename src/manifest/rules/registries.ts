import { canonicalRegistry, readImageReference } from "../../writers/image-reference.ts";
import type { ImageReference } from "../../writers/image-reference.ts";
import { reasonToRefuse } from "../../writers/written.ts";
import type { Finding } from "../problems.ts";
import { complain, type Rule, type RuleInput, warn } from "./rule.ts";

export const registryRules: readonly Rule[] = [
  imageNames,
  registryNames,
  sameRegistry,
  halfLogin,
  nothingSaid,
  unusedRegistry,
];

function imageNames({ services }: RuleInput): Finding[] {
  return services.flatMap(({ pointer, entry: { image } }) => {
    if (image === undefined) return [];
    const reason = reasonToRefuse(() => readImageReference(image));
    return reason === undefined ? [] : [complain([...pointer, "image"], reason)];
  });
}

function registryNames({ written }: RuleInput): Finding[] {
  return Object.keys(written.registries ?? {}).flatMap((name) => {
    const reason = refuseRegistry(name);
    return reason === undefined
      ? []
      : [complain(["registries", name], reason, { at: "key", ...suggestRegistry(name) })];
  });
}

function refuseRegistry(name: string): string | undefined {
  return reasonToRefuse(() => canonicalRegistry(name));
}

/** Of a URL, or with a folder of it: the registry in it. */
function suggestRegistry(name: string): { readonly suggestion?: string } {
  const inside = /^(?:[a-z]+:\/\/)?([^/]+)/i.exec(name)?.[1]?.toLowerCase();
  return inside === undefined || inside === name || refuseRegistry(inside) !== undefined
    ? {}
    : { suggestion: inside };
}

/** Two spellings of one: which password would be meant? */
function sameRegistry({ written }: RuleInput): Finding[] {
  const names = Object.keys(written.registries ?? {}).filter(
    (name) => refuseRegistry(name) === undefined,
  );
  return names.flatMap((name, index) => {
    const first = names.findIndex((other) => canonicalRegistry(other) === canonicalRegistry(name));
    return first === index
      ? []
      : [
          complain(["registries", name], `it is the same registry as ${names[first]}`, {
            at: "key",
          }),
        ];
  });
}

function halfLogin({ written }: RuleInput): Finding[] {
  return Object.entries(written.registries ?? {}).flatMap(([name, { user, password }]) => {
    if ((user === undefined) === (password === undefined)) return [];
    const pointer = ["registries", name];
    return [
      user === undefined
        ? complain(pointer, "a password without a user: `user` is who logs in", {
            missing: "user",
          })
        : complain(
            pointer,
            "a user without a password: `password` names the secret that holds it",
            {
              missing: "password",
            },
          ),
    ];
  });
}

function nothingSaid({ written }: RuleInput): Finding[] {
  return Object.entries(written.registries ?? {}).flatMap(([name, entry]) =>
    Object.values(entry).every((value) => value === undefined)
      ? [
          complain(
            ["registries", name],
            "it says nothing: registries without a login need no entry; others have {user, password} or {ca}",
          ),
        ]
      : [],
  );
}

function unusedRegistry({ written, services }: RuleInput): Finding[] {
  const used = new Set(services.flatMap(({ entry }) => readImage(entry.image)?.registry ?? []));
  return Object.keys(written.registries ?? {}).flatMap((name) =>
    refuseRegistry(name) !== undefined || used.has(canonicalRegistry(name))
      ? []
      : [
          warn(
            ["registries", name],
            `no image comes from it${used.size === 0 ? "" : `; images come from ${[...used].sort().join(", ")}`}`,
            { at: "key" },
          ),
        ],
  );
}

function readImage(image: string | undefined): ImageReference | undefined {
  if (image === undefined || reasonToRefuse(() => readImageReference(image)) !== undefined)
    return undefined;
  return readImageReference(image);
}
