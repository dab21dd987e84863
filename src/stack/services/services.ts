import type { AnyService } from "../../manifest/schema.ts";
import { servicesOf } from "../../manifest/services.ts";
import { joinSections, putUnder } from "../inputs.ts";
import type { Section, StackInputs } from "../inputs.ts";
import { resolveContainer } from "./container.ts";
import { resolveNative } from "./native-service.ts";
import { describeWorkload } from "./workload.ts";

/** The manifest's `services` and `web`: native programs, and containers in two slots. */
export function resolveServices(inputs: StackInputs): Section {
  return joinSections(servicesOf(inputs.manifest).map((service) => resolveOne(inputs, service)));
}

/** Each engine renders what it can run. */
function resolveOne(inputs: StackInputs, service: AnyService): Section {
  const workload = describeWorkload(inputs, service);
  const { runs } = workload;
  const section =
    runs.as === "program"
      ? resolveNative(inputs, workload, runs)
      : resolveContainer(inputs, workload, runs);
  return putUnder({ service: service.name }, section);
}
