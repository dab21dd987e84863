import { z } from "zod";
import { manifestSchema } from "./schema.ts";

/** JSON Schema (draft 2020-12) of hostkit.yaml, for editors and for the reference pages. */
export function buildJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(manifestSchema, {
    io: "input",
    reused: "inline",
    override: ({ zodSchema, jsonSchema }) => {
      // zod leaves out examples of values that are converted, such as "60s"; ours are all as written.
      const examples = z.globalRegistry.get(zodSchema)?.["examples"];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
  return {
    $schema,
    title: "hostkit manifest",
    description: "What runs on a hybrid host: hostkit.yaml.",
    ...schema,
  };
}
