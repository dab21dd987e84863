import { describe, expect, it } from "vitest";
import { catalogue, summarize } from "../../../../templates/stacks/dxcluster/api/src/catalogue.ts";
import { describeApi } from "../../../../templates/stacks/dxcluster/api/src/openapi.ts";

describe("the API's description of itself", () => {
  it("has the paths users know", () => {
    expect(Object.keys(summarize())).toEqual(
      expect.arrayContaining([
        "health",
        "stats",
        "spots",
        "recent_spots",
        "bands",
        "frequency_histogram",
        "hourly_activity",
        "top_callsigns",
      ]),
    );
    expect(summarize()["stats"]).toBe("/api/stats - Basic database statistics");
  });

  it("lists the parameters that requests are checked with", () => {
    const { paths } = describeApi(catalogue, "1");
    for (const { path, parameters } of Object.values(catalogue)) {
      expect(paths[path]?.get.parameters.map((parameter) => parameter.name)).toEqual(
        Object.keys(parameters),
      );
    }
  });
});
