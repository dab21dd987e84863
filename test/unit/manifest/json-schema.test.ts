import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { buildJsonSchema } from "../../../src/manifest/json-schema.ts";

const root = join(import.meta.dirname, "../../..");
const good = join(root, "test/cases/manifest/good");
const schema = buildJsonSchema();
const validate = new Ajv2020({
  validateFormats: false,
  strictTypes: false,
  allowUnionTypes: true,
}).compile(schema);

describe("the schema for editors", () => {
  test.each(
    readdirSync(good).filter((name) => name.endsWith(".yaml") && name !== "empty-sections.yaml"),
  )("accepts %s", (name) => {
    validate(parse(readFileSync(join(good, name), "utf8"), { merge: true }));
    expect(validate.errors).toBeNull();
  });

  test.each([
    "stack: demo",
    "{ stack: demo, hosts: {}, databse: {} }",
    "{ stack: Demo, hosts: {} }",
    "{ stack: demo, hosts: {}, web: { a: { build: ., port: 0 } } }",
    "{ stack: demo, hosts: {}, web: { a: { build: . } } }",
    "{ stack: demo, hosts: {}, services: { a: { package: a.rpm } } }",
    "{ stack: demo, hosts: {}, host: { updates: sometimes } }",
    "{ stack: demo, hosts: {}, firewall: { allow: [shh] } }",
  ])("refuses %s", (text) => {
    expect(validate(parse(text))).toBe(false);
  });

  test("describes every key", () => {
    const bare: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, value] of Object.entries(node)) {
        if (key !== "properties") visit(value, `${path}/${key}`);
      }
      const { properties } = node as { properties?: Record<string, { description?: string }> };
      for (const [name, property] of Object.entries(properties ?? {})) {
        if (property.description === undefined) bare.push(`${path}/${name}`);
        visit(property, `${path}/${name}`);
      }
    };
    visit(schema, "");
    expect(bare).toEqual([]);
  });
});

interface Reference {
  renderReference(schema: unknown): Record<string, string>;
}

describe("the committed reference", async () => {
  const script: string = join(root, "scripts/generate-reference.mjs");
  const { renderReference } = (await import(script)) as Reference;
  const pages = renderReference(schema);

  test("has exactly the pages of the schema", () => {
    expect(readdirSync(join(root, "docs/manifest")).toSorted()).toEqual(
      Object.keys(pages).toSorted(),
    );
  });

  test.each(Object.keys(pages))(
    "%s is fresh (else: npm run build && node scripts/generate-reference.mjs)",
    (page) => {
      expect(readFileSync(join(root, "docs/manifest", page), "utf8")).toBe(pages[page]);
    },
  );
});
