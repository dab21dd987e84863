/** OpenAPI 3.1 from the same tables that check the requests. Pure. */
import { type Parameters, toJsonSchema } from "./parameters.ts";

export interface Endpoint {
  readonly path: string;
  readonly about: string;
  readonly parameters: Parameters;
  /** What a 200 carries; JSON unless it is said. */
  readonly type?: string;
}

export function describeApi(endpoints: readonly Endpoint[], version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "DX Cluster API",
      version,
      description:
        "Spots that DX cluster nodes sent. Times are ISO 8601 in UTC, frequencies are in kHz.",
    },
    paths: Object.fromEntries(
      endpoints.map((endpoint) => [endpoint.path, { get: describe(endpoint) }]),
    ),
    components: {
      schemas: {
        Error: {
          type: "object",
          required: ["error", "message"],
          properties: { error: { type: "string" }, message: { type: "string" } },
        },
      },
    },
  };
}

function describe(endpoint: Endpoint): object {
  const failure = (description: string): object => ({
    description,
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  });
  return {
    summary: endpoint.about,
    parameters: Object.entries(toJsonSchema(endpoint.parameters)).map(([name, schema]) => ({
      name,
      in: "query",
      schema,
    })),
    responses: {
      200: { description: endpoint.about, content: { [endpoint.type ?? "application/json"]: {} } },
      400: failure("A parameter is unknown or malformed"),
      503: failure("The database does not answer"),
    },
  };
}
