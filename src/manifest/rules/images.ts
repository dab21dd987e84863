import { canonicalName } from "../base-images.ts";
import type { Finding } from "../problems.ts";
import { complain, type Rule, type RuleInput } from "./rule.ts";

export const imageRules: readonly Rule[] = [oneImageSource, sameImage];

function oneImageSource({ written }: RuleInput): Finding[] {
  return Object.entries(written.images ?? {}).flatMap(([name, { build, archive }]) => {
    const pointer = ["images", name];
    if (build === undefined && archive === undefined)
      return [
        complain(pointer, "nothing says what it is made from", {
          at: "key",
          allowed: ["build", "archive"],
        }),
      ];
    return build === undefined || archive === undefined
      ? []
      : [complain([...pointer, "archive"], "only one of these: build, archive", { at: "key" })];
  });
}

/** `base` and `base:latest` are one name. */
function sameImage({ written }: RuleInput): Finding[] {
  const names = Object.keys(written.images ?? {});
  return names.flatMap((name, index) => {
    const first = names.findIndex((other) => canonicalName(other) === canonicalName(name));
    return first === index
      ? []
      : [complain(["images", name], `it is the same image as ${names[first]}`, { at: "key" })];
  });
}
