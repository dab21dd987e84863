import { buildJsonSchema } from "../manifest/json-schema.ts";
import type { Verb } from "./line/verb.ts";

export const runSchema: Verb = async (context) => {
  context.print(JSON.stringify(buildJsonSchema(), undefined, 2));
};
