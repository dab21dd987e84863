import type { Resource } from "../resources/resource.ts";
import type { StackInputs } from "./inputs.ts";

/** `<stack>.target`: everything the stack runs hangs on it. */
export function resolveTarget(_inputs: StackInputs, _resources: readonly Resource[]): Resource[] {
  return [];
}
