import { servicesOf } from "../manifest/services.ts";
import { idOf } from "../resources/resource.ts";
import type { Resource } from "../resources/resource.ts";
import { target, targetPath } from "../resources/units/target.ts";
import type { UnitResource } from "../resources/units/unit.ts";
import type { StackInputs } from "./inputs.ts";
import { targetOf } from "./names.ts";
import { renderTemplate } from "./render-template.ts";
import { systemdNames, systemdText } from "../writers/systemd.ts";

/** Units of the distribution that belong to the picture of a stack. */
const engines = /^(?:caddy|docker|postgresql(?:@.*)?)\.service$/;

/**
 * `<stack>.target`: `systemctl list-dependencies` of it shows the whole system. Containers hang themselves on it, because
 * only the active slot is wanted.
 * @param resources all other resources of the stack on this host
 */
export function resolveTarget(inputs: StackInputs, resources: readonly Resource[]): Resource[] {
  const { stack } = inputs.manifest;
  const units = resources
    .filter((resource): resource is UnitResource => resource.kind === "unit")
    .filter((resource) => resource.enabled && resource.state === "started")
    .filter((resource) => resource.ours || engines.test(resource.unit));
  const text = renderTemplate(inputs.templates, "etc/systemd/system/stack.target.ejs", {
    stack: systemdText(stack),
    wants: [...new Set(units.map((resource) => resource.unit))]
      .sort()
      .map((one) => systemdNames(one)),
  });
  const releases = resources.filter((resource) => resource.kind === "release");
  const name = targetOf(stack);
  const members = [...units, ...releases].map(idOf);
  return [
    {
      ...target(name, text, members),
      behind: members,
      // Services hang themselves on it; it only has to be there.
      serves: servicesOf(inputs.manifest).map((service) => ({
        service: service.name,
        path: targetPath(name),
        text: "",
      })),
    },
  ];
}
