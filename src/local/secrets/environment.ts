import type { SecretSource } from "./source.ts";

/** A variable of hostkit's own environment: the one that is named, else that with the secret's name. */
export const environmentSource: SecretSource = {
  open: async ({ environment }) => ({
    problems: [],
    async read({ name, from }) {
      const variable = "variable" in from ? from.variable : name;
      const value = environment[variable];
      if (value === undefined || value === "")
        return { missing: `it into the environment variable ${variable}` };
      // Node has put this character in the place of bytes that are not UTF-8.
      if (!value.includes("\uFFFD")) return { value };
      return {
        problem: `the value of the secret ${name} is not UTF-8 text: give it as a file (secrets: { ${name}: { file: … } })`,
      };
    },
  }),
};
