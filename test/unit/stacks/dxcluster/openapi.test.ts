import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { catalogue, summarize } from "../../../../templates/stacks/dxcluster/api/src/catalogue.ts";
import { describeApi } from "../../../../templates/stacks/dxcluster/api/src/openapi.ts";

/** The contract: these paths take these parameters, with these defaults and maxima. */
const contract: Readonly<Record<string, readonly string[]>> = {
  "/api": [],
  "/api/health": [],
  "/api/stats": [],
  "/api/spots": [
    "limit 100 1000",
    "offset 0 1000000",
    "dx_call",
    "spotter_call",
    "frequency_min",
    "frequency_max",
    "band",
    "mode",
    "since",
    "until",
    "grid_square",
    "comment_contains",
    "order_by timestamp DESC",
    "cursor",
    "format json",
  ],
  "/api/spots/recent": ["limit 50 500", "hours 24 168"],
  "/api/spots/stream": [],
  "/api/bands": ["hours 168"],
  "/api/frequency/histogram": ["bins 50 200", "band", "hours 24 168"],
  "/api/activity/hourly": ["hours 24 168"],
  "/api/callsigns/top": ["limit 20 100", "hours 24 168", "category both"],
  "/api/solar": ["hours 72 720"],
};

describe("the API's description of itself", () => {
  const description = describeApi(catalogue, "1");

  it("is OpenAPI 3.1", async () => {
    const validator = new Validator();
    const plain: object = JSON.parse(JSON.stringify(description));
    expect(await validator.validate({ ...plain })).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
    expect(await validator.validate({ ...plain, info: {} })).toMatchObject({ valid: false });
  });

  it.each(Object.entries(contract))("has %s as users know it", (path, parameters) => {
    expect(
      description.paths[path]?.get.parameters.map(({ name, schema }) =>
        [name, schema["default"], schema["maximum"]]
          .filter((part) => typeof part === "string" || typeof part === "number")
          .join(" "),
      ),
    ).toEqual(parameters);
  });

  it("names every endpoint in /api", () => {
    const { info: _info, ...others } = catalogue;
    expect(Object.keys(summarize())).toEqual(Object.keys(others));
    expect(summarize()["stats"]).toBe("/api/stats - Basic database statistics");
  });

  it("lists the parameters that requests are checked with", () => {
    for (const { path, parameters } of Object.values(catalogue)) {
      expect(description.paths[path]?.get.parameters.map((parameter) => parameter.name)).toEqual(
        Object.keys(parameters),
      );
    }
  });
});
