/** The API's description as one page without scripts. Pure. */
import { createHash } from "node:crypto";
import type { ApiDescription, Operation } from "./openapi.ts";
import type { Schema } from "./schemas.ts";

const style = `
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.15rem; overflow-wrap: anywhere; }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
nav ul { columns: 18rem; padding-left: 1.2rem; }
summary { cursor: pointer; }
`;

export const docsPolicy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export function docsPage({ info, paths, components }: ApiDescription): string {
  const operations = Object.entries(paths);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(info.title)}</title>
<style>${style}</style>
<main>
<h1>${escape(info.title)} <small>${escape(info.version)}</small></h1>
<p>${escape(info.description)} For machines: <a href="/api/openapi.json">openapi.json</a>.</p>
<nav aria-label="Endpoints"><ul>
${operations.map(([path, { get }]) => `<li><a href="#${get.operationId}">${escape(path)}</a></li>`).join("\n")}
<li><a href="#Spot">Spot</a></li>
</ul></nav>
${operations.map(([path, { get }]) => operationSection(path, get)).join("\n")}
<h2 id="Spot">Spot</h2>
<pre>${escape(outline(components.schemas["Spot"] ?? {}, ""))}</pre>
<h2 id="errors">Errors</h2>
<p>Every failure is JSON too: 400 names each parameter that is unknown or malformed, 429 comes with Retry-After.</p>
<pre>${escape(outline(components.schemas["Error"] ?? {}, ""))}</pre>
</main>
</html>
`;
}

function operationSection(path: string, operation: Operation): string {
  const content = operation.responses["200"]?.content ?? {};
  const [type = "", { schema } = { schema: {} }] = Object.entries(content)[0] ?? [];
  const parameters = operation.parameters.map(
    ({ name, schema: parameter }) =>
      `<tr><td><code>${escape(name)}</code><td>${escape(typeOf(parameter))}<td>${escape(word(parameter["description"]))}</tr>`,
  );
  return `<section>
<h2 id="${operation.operationId}"><code>GET ${escape(path)}</code></h2>
<p>${escape(operation.summary)}. <a href="${escape(path)}">Try it</a></p>
${parameters.length === 0 ? "" : `<table><thead><tr><th scope="col">parameter<th scope="col">type<th scope="col">what</tr></thead><tbody>${parameters.join("")}</tbody></table>`}
<details><summary>Answer: ${escape(Object.keys(content).join(", "))}</summary><pre>${escape(type === "application/json" ? outline(schema, "") : word(schema["description"] ?? type))}</pre></details>
</section>`;
}

function typeOf(schema: Schema): string {
  const [minimum, maximum, fallback] = [schema["minimum"], schema["maximum"], schema["default"]];
  const range =
    minimum === undefined
      ? ""
      : maximum === undefined
        ? ` from ${word(minimum)}`
        : ` ${word(minimum)} to ${word(maximum)}`;
  return `${word(schema["format"] ?? schema["type"])}${range}${fallback === undefined ? "" : `, without it ${word(fallback)}`}`;
}

function word(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A schema as somebody would write it down by hand. */
function outline(schema: Schema, indent: string): string {
  const reference = schema["$ref"];
  if (typeof reference === "string") return reference.split("/").at(-1) ?? "";
  if (Array.isArray(schema["enum"]))
    return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  if (schema["type"] === "array") return `[ ${outline(schema["items"] as Schema, indent)}, … ]`;
  const properties = schema["properties"] as Readonly<Record<string, Schema>> | undefined;
  if (properties === undefined) {
    const types = [schema["type"]].flat().map(word);
    const note = schema["description"] === undefined ? "" : `  # ${word(schema["description"])}`;
    return `${[word(schema["format"] ?? types[0]), ...types.slice(1)].join(" | ")}${note}`;
  }
  const inner = `${indent}  `;
  const required = schema["required"] as readonly string[];
  const lines = Object.entries(properties).map(
    ([name, property]) =>
      `${inner}${name}${required.includes(name) ? "" : "?"}: ${outline(property, inner)}`,
  );
  return `{\n${lines.join("\n")}\n${indent}}`;
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
