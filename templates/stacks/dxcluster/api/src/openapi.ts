/** OpenAPI 3.1 from the same tables that check the requests. Pure. */
import { type Parameters, toJsonSchema } from "./parameters.ts";
import { components, type Schema } from "./schemas.ts";

export interface Endpoint {
  readonly path: string;
  readonly about: string;
  readonly parameters: Parameters;
  /** What a 200 carries; JSON unless it is said. */
  readonly type?: string;
  readonly answer: Schema;
  /** `format=csv` gives it as a table. */
  readonly alsoCsv?: boolean;
}

export interface ApiDescription {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: Schema;
  }[];
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string;
        readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
      }
    >
  >;
}

export function describeApi(
  endpoints: Readonly<Record<string, Endpoint>>,
  version: string,
): ApiDescription {
  return {
    openapi: "3.1.0",
    info: {
      title: "DX Cluster API",
      version,
      description:
        "Spots that DX cluster nodes sent. Times are ISO 8601 in UTC, frequencies are in kHz. Unknown and malformed parameters are refused; a number above its maximum is lowered to it (offset: refused).",
    },
    paths: Object.fromEntries(
      Object.entries(endpoints).map(([name, endpoint]) => [
        endpoint.path,
        { get: describe(name, endpoint) },
      ]),
    ),
    components: { schemas: components },
  };
}

function describe(name: string, endpoint: Endpoint): Operation {
  const failure = (description: string): Operation["responses"][string] => ({
    description,
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  });
  return {
    operationId: name,
    summary: endpoint.about,
    parameters: Object.entries(toJsonSchema(endpoint.parameters)).map(([parameter, schema]) => ({
      name: parameter,
      in: "query",
      schema,
    })),
    responses: {
      200: {
        description: endpoint.about,
        content: {
          [endpoint.type ?? "application/json"]: { schema: endpoint.answer },
          ...(endpoint.alsoCsv === true ? { "text/csv": { schema: { type: "string" } } } : {}),
        },
      },
      304: { description: "Nothing else than what If-None-Match names" },
      400: failure("A parameter is unknown or malformed"),
      429: failure("Too many requests: Retry-After says when again"),
      503: failure("The database does not answer"),
    },
  };
}
